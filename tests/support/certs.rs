//! The certificates of one control plane: an authority, a server certificate for loopback, client certificates
//! whose names are users and groups, and the key pair that signs service-account tokens. Made anew for each
//! plane, valid nowhere else.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Result, bail};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

static COUNT: AtomicU32 = AtomicU32::new(0);

/// An authority and the folder in which its certificates lie as PEM files.
#[derive(Debug)]
pub struct Certs {
    folder: PathBuf,
    issuer: Issuer<'static, KeyPair>,
}

impl Certs {
    /// Makes the authority, the server certificate and the token keys.
    pub fn new(folder: &Path) -> Result<Self> {
        std::fs::create_dir_all(folder)?;
        let mut params = CertificateParams::new(Vec::<String>::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        params
            .distinguished_name
            .push(DnType::CommonName, "serin-test-authority");
        let key = KeyPair::generate()?;
        std::fs::write(folder.join("ca.crt"), params.self_signed(&key)?.pem())?;
        let certs = Self {
            folder: folder.to_owned(),
            issuer: Issuer::new(params, key),
        };
        certs.server()?;
        let tokens = KeyPair::generate()?;
        std::fs::write(folder.join("tokens.key"), tokens.serialize_pem())?;
        std::fs::write(folder.join("tokens.pub"), tokens.public_key_pem())?;
        Ok(certs)
    }

    /// The path of one of its files, for a flag.
    pub fn path(&self, file: &str) -> String {
        self.folder.join(file).display().to_string()
    }

    fn server(&self) -> Result<()> {
        let names = ["localhost", "kubernetes.default.svc", "127.0.0.1"].map(str::to_owned);
        let mut params = CertificateParams::new(names)?;
        params
            .distinguished_name
            .push(DnType::CommonName, "kube-apiserver");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.sign(params, "server")
    }

    /// A client certificate: Kubernetes reads the common name as user and the organisations as groups.
    /// Returns the paths of certificate and key.
    pub fn client(&self, user: &str, groups: &[&str]) -> Result<(String, String)> {
        let mut params = CertificateParams::new(Vec::<String>::new())?;
        params.distinguished_name.push(DnType::CommonName, user);
        // The name table holds one value per type; the second group takes the same type by its number.
        let types = [DnType::OrganizationName, DnType::CustomDnType(vec![2, 5, 4, 10])];
        if groups.len() > types.len() {
            bail!(
                "{user}: a test certificate carries at most {} groups",
                types.len()
            );
        }
        for (kind, group) in types.into_iter().zip(groups) {
            params.distinguished_name.push(kind, *group);
        }
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        // Numbered, because two tests may ask for the same user at the same time.
        let name = format!("{}-{}", file_name(user), COUNT.fetch_add(1, Ordering::Relaxed));
        self.sign(params, &name)?;
        Ok((
            self.path(&format!("{name}.crt")),
            self.path(&format!("{name}.key")),
        ))
    }

    fn sign(&self, params: CertificateParams, name: &str) -> Result<()> {
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        std::fs::write(self.folder.join(format!("{name}.crt")), certificate.pem())?;
        std::fs::write(self.folder.join(format!("{name}.key")), key.serialize_pem())?;
        Ok(())
    }
}

/// A user name as a file name.
fn file_name(user: &str) -> String {
    user.chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect()
}
