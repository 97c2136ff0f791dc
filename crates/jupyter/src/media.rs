//! MIME bundles: values in several forms, from which a client takes the richest that it can show.

use linkjit_repl::Form;
use serde_json::{Map, Value};

/// The bundle of a text and its other forms.
pub(crate) fn bundle(text: &str, forms: &[Form]) -> Value {
    let mut bundle = Map::new();
    if !text.is_empty() || forms.is_empty() {
        bundle.insert("text/plain".into(), text.into());
    }
    bundle.extend(forms.iter().map(|form| (form.mime.clone(), encoded(form))));
    Value::Object(bundle)
}

/// JSON is itself, text is text, and all else is in base 64.
fn encoded(form: &Form) -> Value {
    let Form { mime, data } = form;
    let text = || String::from_utf8_lossy(data).into_owned().into();
    if mime == "application/json" || mime.ends_with("+json") {
        serde_json::from_slice(data).unwrap_or_else(|_| text())
    } else if mime.starts_with("text/") || mime.ends_with("+xml") || mime == "application/javascript" {
        text()
    } else {
        base64(data).into()
    }
}

fn base64(data: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(data.len().div_ceil(3) * 4);
    for chunk in data.chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * place) & 63) as usize];
            text.push(if place > chunk.len() { '=' } else { char::from(digit) });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn base_64_is_that_of_rfc_4648() {
        let pairs = [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")];
        assert!(pairs.iter().all(|(data, text)| base64(data.as_bytes()) == *text));
        assert_eq!(base64(&[0xfb, 0xff, 0xfe]), "+//+");
    }

    #[test]
    fn bundles_have_all_forms() {
        let form = |mime: &str, data: &str| Form { mime: mime.into(), data: data.into() };
        let forms = [form("image/png", "f"), form("image/svg+xml", "<svg/>"), form("application/json", "[1]")];
        let expected = json!({
            "text/plain": "x", "image/png": "Zg==", "image/svg+xml": "<svg/>", "application/json": [1],
        });
        assert_eq!(bundle("x", &forms), expected);
        assert_eq!(bundle("", &[form("text/html", "<b>")]), json!({"text/html": "<b>"}));
    }
}
