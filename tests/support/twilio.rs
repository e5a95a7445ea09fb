//! Twilio's side of a call.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;

/// Signs a form that goes to `url`, as Twilio's helper libraries document it. (The
/// tests on the deployed stack have Twilio's own library sign.)
pub fn signature(auth_token: &str, url: &str, form: &[(&str, &str)]) -> String {
    let mut fields = form.to_vec();
    fields.sort_unstable();
    let mut signed = url.to_owned();
    for (name, value) in fields {
        signed.push_str(name);
        signed.push_str(value);
    }
    let mut mac = Hmac::<Sha1>::new_from_slice(auth_token.as_bytes()).expect("any key does");
    mac.update(signed.as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}
