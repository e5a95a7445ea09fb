//! Where processes find AWS: an embedded cloud, over HTTP and over HTTPS.

use std::path::PathBuf;
use std::sync::Arc;

use support::cloud::{Cloud, Tables};
use support::functions::given_secrets;
use support::story::provider_secret;
use support::wire::http;
use support::wire::https::Authority;

/// An address for each service, as in a Region, so that functions need a connection for
/// each.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    services: Vec<(&'static str, String)>,
    /// The certificates to trust.
    certificates: PathBuf,
}

/// What names a service's address in a function's environment.
const SERVICES: [&str; 3] =
    ["AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL_SQS", "AWS_ENDPOINT_URL_SECRETS_MANAGER"];

/// A cloud with empty tables, and with secrets.
pub(crate) fn cloud() -> Arc<Cloud> {
    let cloud = Cloud::on(Tables::from_template());
    given_secrets(&cloud, &provider_secret());
    cloud
}

impl Endpoint {
    /// Serves a cloud over HTTP.
    pub(crate) async fn http(cloud: &Arc<Cloud>) -> Self {
        let mut services = Vec::new();
        for service in SERVICES {
            services.push((service, http(cloud).await));
        }
        Self { services, certificates: certificates("http", "") }
    }

    /// Serves a cloud over HTTPS, with a certificate that is made for this run.
    pub(crate) async fn https(cloud: &Arc<Cloud>) -> Self {
        let authority = Authority::new();
        let mut services = Vec::new();
        for service in SERVICES {
            services.push((service, authority.https(cloud).await));
        }
        Self { services, certificates: certificates("https", &authority.certificate) }
    }

    /// What points a process at it.
    pub(crate) fn variables(&self) -> Vec<(&'static str, String)> {
        let mut variables = self.services.clone();
        for name in ["SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"] {
            variables.push((name, self.certificates.display().to_string()));
        }
        variables
    }
}

/// Writes what a function is to trust: all that this machine trusts, since reading
/// that takes time on Lambda too, and this authority. It is one file, as on Lambda,
/// and not a folder of files, which some systems have and which takes longer.
fn certificates(name: &str, authority: &str) -> PathBuf {
    let bundles = ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"];
    let trusted = bundles.into_iter().find_map(|path| std::fs::read_to_string(path).ok());
    let path = std::env::current_dir().expect("a folder").join("target/bench");
    let path = path.join(format!("trusted-{name}.pem"));
    let text = trusted.unwrap_or_default() + authority;
    std::fs::write(&path, text).expect("it can be written");
    path
}
