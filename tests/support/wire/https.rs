//! The cloud over HTTPS, with a new certificate for each run.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::serve::Listener;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::cloud::Cloud;

/// A certificate authority, and a server certificate that it signed.
#[expect(missing_debug_implementations, reason = "it holds a key")]
pub struct Authority {
    acceptor: TlsAcceptor,
    /// The authority's certificate (PEM), which clients must trust.
    pub certificate: String,
}

impl Default for Authority {
    /// A new authority, for servers on this machine.
    fn default() -> Self {
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.distinguished_name.push(DnType::CommonName, "an authority of this run");
        let authority_key = KeyPair::generate().expect("a key");
        let certificate = authority.self_signed(&authority_key).expect("a certificate").pem();
        let issuer = Issuer::from_params(&authority, &authority_key);

        let key = KeyPair::generate().expect("a key");
        let mut server = CertificateParams::new(["127.0.0.1".to_owned()]).expect("an address");
        // Some clients take a certificate for self-signed if it has the authority's name.
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
        Self { acceptor: TlsAcceptor::from(Arc::new(config)), certificate }
    }
}

impl Authority {
    /// Serves a cloud over HTTPS until the runtime ends. Returns the endpoint.
    pub async fn https(&self, cloud: &Arc<Cloud>) -> String {
        let tcp = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = tcp.local_addr().expect("it is bound");
        let listener = TlsListener { tcp, acceptor: self.acceptor.clone() };
        let app = super::app(cloud);
        tokio::spawn(async { axum::serve(listener, app).await });
        format!("https://{address}")
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
