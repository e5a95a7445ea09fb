//! AWS as the processes see it: an embedded DynamoDB, queues and secrets at one
//! address, over HTTP and over HTTPS.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use axum::serve::{Listener, ListenerExt as _};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::{Value, json};
use support::database::Database;
use support::story;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// The queue that functions announce on.
pub(crate) const NUMBER_EVENTS: &str = "http://queues/number-events";

/// The queue that is told of pools that run low.
pub(crate) const REFILL: &str = "http://queues/refill";

/// Where functions find AWS: an address for each service, as in a Region, so that
/// functions need a connection for each.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    services: Vec<(&'static str, String)>,
    /// The certificates to trust.
    certificates: PathBuf,
}

/// What names a service's address in a function's environment.
const SERVICES: [&str; 3] =
    ["AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL_SQS", "AWS_ENDPOINT_URL_SECRETS_MANAGER"];

/// What is behind the endpoints.
pub(crate) struct Cloud {
    pub(crate) database: Arc<Database>,
    announcements: Mutex<Vec<Value>>,
    /// Requests to queues and secrets so far.
    others: Mutex<u64>,
}

impl std::fmt::Debug for Cloud {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Cloud")
    }
}

impl Cloud {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            database: Arc::default(),
            announcements: Mutex::default(),
            others: Mutex::default(),
        })
    }

    /// Serves it over HTTP.
    pub(crate) async fn serve(self: &Arc<Self>) -> Endpoint {
        let mut services = Vec::new();
        for service in SERVICES {
            let (listener, address) = listen().await;
            let app = self.app();
            let listener = listener.tap_io(|stream| {
                let _ = stream.set_nodelay(true);
            });
            tokio::spawn(async { axum::serve(listener, app).await });
            services.push((service, format!("http://{address}")));
        }
        Endpoint { services, certificates: certificates("http", "") }
    }

    /// Serves it over HTTPS, with a certificate that is made for this run.
    pub(crate) async fn serve_tls(self: &Arc<Self>) -> Endpoint {
        let (acceptor, authority) = certificate();
        let mut services = Vec::new();
        for service in SERVICES {
            let (tcp, address) = listen().await;
            let listener = TlsListener { tcp, acceptor: acceptor.clone() };
            let app = self.app();
            tokio::spawn(async { axum::serve(listener, app).await });
            services.push((service, format!("https://{address}")));
        }
        Endpoint { services, certificates: certificates("https", &authority) }
    }

    fn app(self: &Arc<Self>) -> Router {
        Router::new().route("/", post(answer)).with_state(Arc::clone(self))
    }

    /// Takes what was announced.
    pub(crate) fn take_announcements(&self) -> Vec<Value> {
        std::mem::take(&mut *self.announcements.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes the count of requests to queues and secrets.
    pub(crate) fn take_other_requests(&self) -> u64 {
        std::mem::take(&mut *self.others.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Does what a request to a queue or for a secret asks for.
    pub(crate) fn other(&self, target: &str, body: &[u8]) -> Value {
        *self.others.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        if target == "secretsmanager.GetSecretValue" {
            let mut secret = story::provider_secret();
            secret["caller_key"] = "k".repeat(64).into();
            return json!({ "SecretString": secret.to_string() });
        }
        if target == "AmazonSQS.ChangeMessageVisibility" {
            // What functions ask for while starting, to open the connection.
            return json!({});
        }
        let request: Value = serde_json::from_slice(body).expect("JSON");
        let text = request["MessageBody"].as_str().unwrap_or("null");
        match request["QueueUrl"].as_str() {
            Some(NUMBER_EVENTS) => {
                let announcement = serde_json::from_str(text).expect("JSON");
                let announcements = self.announcements.lock();
                announcements.unwrap_or_else(PoisonError::into_inner).push(announcement);
            }
            // Where a batch needs a second shard, the pool counts as low.
            Some(REFILL) => {}
            queue => panic!("{target} on {queue:?}: {text}"),
        }
        json!({"MessageId": "1", "MD5OfMessageBody": ""})
    }
}

impl Endpoint {
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

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    (listener, address)
}

async fn answer(
    State(cloud): State<Arc<Cloud>>,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, String) {
    let target = headers.get("x-amz-target").and_then(|it| it.to_str().ok()).unwrap_or_default();
    match target.split_once('.') {
        Some(("DynamoDB_20120810", operation)) => {
            let (status, body) = cloud.database.answer(operation, &body);
            (StatusCode::from_u16(status).expect("a status"), body)
        }
        _ => (StatusCode::OK, cloud.other(target, &body).to_string()),
    }
}

struct TlsListener {
    tcp: TcpListener,
    acceptor: TlsAcceptor,
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let (stream, address) = Listener::accept(&mut self.tcp).await;
            let _ = stream.set_nodelay(true);
            if let Ok(stream) = self.acceptor.accept(stream).await {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.tcp.local_addr()
    }
}

/// A certificate for this machine, and the authority that vouches for it (PEM).
fn certificate() -> (TlsAcceptor, String) {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.distinguished_name.push(DnType::CommonName, "an authority of this run");
    let authority_key = KeyPair::generate().expect("a key");
    let authority_certificate = authority.self_signed(&authority_key).expect("a certificate");
    let issuer = Issuer::from_params(&authority, &authority_key);

    let key = KeyPair::generate().expect("a key");
    let mut server = CertificateParams::new(["127.0.0.1".to_owned()]).expect("an address");
    // Some clients take a certificate for self-signed where both have one name.
    server.distinguished_name.push(DnType::CommonName, "a server of this run");
    let server = server.signed_by(&key, &issuer).expect("a certificate");

    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions that ring knows")
        .with_no_client_auth()
        .with_single_cert(vec![server.der().clone()], key)
        .expect("a key that fits its certificate");
    (TlsAcceptor::from(Arc::new(config)), authority_certificate.pem())
}
