//! The address at which processes find AWS: an embedded cloud, over HTTP or HTTPS.

use std::path::PathBuf;
use std::sync::Arc;

use support::cloud::{Cloud, Tables};
use support::functions::given_secrets;
use support::story::provider_secret;
use support::wire::http;
use support::wire::https::Authority;

/// An address for each service, as in a Region, so that functions open a connection to each.
#[derive(Clone)]
pub(crate) struct Endpoint {
    services: Vec<(&'static str, String)>,
    /// The file of the certificates to trust.
    certificates: PathBuf,
}

/// The variables with the address of each service.
const SERVICES: [&str; 3] =
    ["AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL_SQS", "AWS_ENDPOINT_URL_SECRETS_MANAGER"];

/// A cloud with empty tables and both secrets.
pub(crate) fn cloud() -> Arc<Cloud> {
    let cloud = Cloud::on(Tables::from_template());
    given_secrets(&cloud, &provider_secret());
    cloud
}

impl Endpoint {
    pub(crate) async fn http(cloud: &Arc<Cloud>) -> Self {
        let mut services = Vec::new();
        for service in SERVICES {
            services.push((service, http(cloud).await));
        }
        Self { services, certificates: certificates("http", "") }
    }

    pub(crate) async fn https(cloud: &Arc<Cloud>) -> Self {
        let authority = Authority::default();
        let mut services = Vec::new();
        for service in SERVICES {
            services.push((service, authority.https(cloud).await));
        }
        Self { services, certificates: certificates("https", &authority.certificate) }
    }

    /// The variables that make a process use this address.
    pub(crate) fn variables(&self) -> Vec<(&'static str, String)> {
        let mut variables = self.services.clone();
        for name in ["SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"] {
            variables.push((name, self.certificates.display().to_string()));
        }
        variables
    }
}

/// Writes the certificates that a function must trust: those of this machine, since reading
/// them takes time on Lambda too, and this authority. They are in one file, as on Lambda;
/// a folder of files, as on some systems, takes longer to read.
fn certificates(name: &str, authority: &str) -> PathBuf {
    let bundles = ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"];
    let trusted = bundles.into_iter().find_map(|path| std::fs::read_to_string(path).ok());
    let path = std::env::current_dir().expect("a folder").join("target/bench");
    let path = path.join(format!("trusted-{name}.pem"));
    let text = trusted.unwrap_or_default() + authority;
    std::fs::write(&path, text).expect("it can be written");
    path
}
