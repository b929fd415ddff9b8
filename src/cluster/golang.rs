//! What Go's standard library says of bytes that it cannot read: JSON, base64, numbers. The API server passes these words on, and
//! clients match them. Only refusals come here.

use k8s_openapi::ByteString;
use serde_json::Value;

use super::typed::Typed;

/// What is wrong with a text that should be JSON, in the words of Go's scanner.
pub fn syntax_error(text: &[u8]) -> String {
    let mut scanner = Scanner { text, at: 0 };
    let found = scanner.value("looking for beginning of value").and_then(|()| {
        scanner.space();
        match scanner.peek() {
            None => Ok(()),
            Some(_) => Err(scanner.wrong("after top-level value")),
        }
    });
    found
        .err()
        .unwrap_or_else(|| "unexpected end of JSON input".to_owned())
}

struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
}

type Scanned = Result<(), String>;

impl Scanner<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    fn wrong(&self, context: &str) -> String {
        let Some(byte) = self.peek() else {
            return "unexpected end of JSON input".to_owned();
        };
        let letter = char::from(byte);
        let shown = match letter {
            '\'' => r"'\''".to_owned(),
            '"' => r#"'"'"#.to_owned(),
            '\\' => r"'\\'".to_owned(),
            '\n' => r"'\n'".to_owned(),
            _ if byte < 0x20 || byte == 0x7f => format!("'\\x{byte:02x}'"),
            _ if letter.is_control() => format!("'\\u{:04x}'", u32::from(letter)),
            letter => format!("'{letter}'"),
        };
        format!("invalid character {shown} {context}")
    }

    fn take(&mut self, wanted: u8, context: &str) -> Scanned {
        if self.peek() != Some(wanted) {
            return Err(self.wrong(context));
        }
        self.at += 1;
        Ok(())
    }

    fn value(&mut self, context: &str) -> Scanned {
        self.space();
        match self.peek() {
            Some(b'{') => self.list(b'}', true),
            Some(b'[') => self.list(b']', false),
            Some(b'"') => self.string(),
            Some(b't') => self.word("true"),
            Some(b'f') => self.word("false"),
            Some(b'n') => self.word("null"),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => Err(self.wrong(context)),
        }
    }

    /// An object or an array, from its opening on.
    fn list(&mut self, end: u8, keyed: bool) -> Scanned {
        self.at += 1;
        self.space();
        if self.peek() == Some(end) {
            self.at += 1;
            return Ok(());
        }
        loop {
            if keyed {
                self.space();
                if self.peek() != Some(b'"') {
                    return Err(self.wrong("looking for beginning of object key string"));
                }
                self.string()?;
                self.space();
                self.take(b':', "after object key")?;
            }
            self.value("looking for beginning of value")?;
            self.space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(byte) if byte == end => break,
                _ if keyed => return Err(self.wrong("after object key:value pair")),
                _ => return Err(self.wrong("after array element")),
            }
        }
        self.at += 1;
        Ok(())
    }

    fn string(&mut self) -> Scanned {
        self.at += 1;
        loop {
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => self.at += 2,
                None | Some(0..0x20) => return Err(self.wrong("in string literal")),
                Some(_) => self.at += 1,
            }
        }
        self.at += 1;
        Ok(())
    }

    fn word(&mut self, word: &str) -> Scanned {
        for letter in word.chars() {
            self.take(letter as u8, &format!("in literal {word} (expecting '{letter}')"))?;
        }
        Ok(())
    }

    fn number(&mut self) -> Scanned {
        self.at += 1;
        while matches!(self.peek(), Some(b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-')) {
            self.at += 1;
        }
        Ok(())
    }
}

/// Why a value cannot be read as a map or a list of a Go type; none if it can.
pub fn not_into(value: &Value, wanted: &str) -> String {
    format!(
        "json: cannot unmarshal {} into Go value of type {wanted}",
        word_of(value)
    )
}

/// What Go calls the type of a JSON value.
pub fn word_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// Standard base64.
pub fn base64(bytes: &[u8]) -> String {
    match serde_json::to_value(ByteString(bytes.to_vec())) {
        Ok(Value::String(text)) => text,
        _ => String::new(),
    }
}

/// Base64 as it may stand in an address, without padding.
pub fn base64_url(bytes: &[u8]) -> String {
    let text = base64(bytes);
    text.trim_end_matches('=').replace('+', "-").replace('/', "_")
}

/// The bytes of [`base64_url`].
pub fn from_base64_url(text: &str) -> Result<Vec<u8>, String> {
    let (mut bytes, mut bits, mut held) = (Vec::new(), 0_u32, 0_u32);
    for (at, letter) in text.bytes().enumerate() {
        let digit = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'-' => 62,
            b'_' => 63,
            _ => return Err(format!("illegal base64 data at input byte {at}")),
        };
        bits = bits << 6 | u32::from(digit);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
            bits &= (1 << held) - 1;
        }
    }
    if text.len() % 4 == 1 {
        return Err(format!("illegal base64 data at input byte {}", text.len()));
    }
    Ok(bytes)
}

/// Why a number of an unsigned type cannot be read.
pub fn not_a_number(text: &str) -> String {
    format!("strconv.ParseUint: parsing \"{text}\": invalid syntax")
}

/// Why an object cannot be decoded: `why` is what our own decoder says, `typed` reads objects of this kind. The field is found by
/// leaving out one value after the other until the answer is another: slow, and only for refusals.
pub fn type_error(kind: &str, sent: &Value, typed: Typed, why: &str) -> String {
    if let Some(offset) = why
        .strip_prefix("Invalid symbol ")
        .and_then(|rest| rest.split_once("offset "))
    {
        let offset = offset.1.trim_end_matches('.');
        return format!("illegal base64 data at input byte {offset}");
    }
    let mut paths = Vec::new();
    leaves(sent, &mut Vec::new(), &mut paths);
    let guilty = paths.into_iter().find(|path| {
        let mut without = sent.clone();
        leave_out(&mut without, path);
        typed(without).err().as_deref() != Some(why)
    });
    let Some(path) = guilty else {
        return why.to_owned();
    };
    let is = at_path(&mut sent.clone(), &path).map_or("value", |value| word_of(value));
    let wanted = [
        ("a string", "string"),
        ("i32", "int32"),
        ("i64", "int64"),
        ("a boolean", "bool"),
        ("f64", "float64"),
        ("a sequence", "[]"),
        ("a map", "map"),
    ];
    let wanted = wanted.iter().find(|(ours, _)| why.ends_with(ours));
    let (place, fields) = go_field(kind, &path);
    let wanted = wanted.map_or(place.as_str(), |(_, go)| go);
    format!("json: cannot unmarshal {is} into Go struct field {place}.{fields} of type {wanted}")
}

#[derive(Clone, Debug, PartialEq)]
enum Step {
    Field(String),
    Item(usize),
}

fn leaves(value: &Value, path: &mut Vec<Step>, found: &mut Vec<Vec<Step>>) {
    let mut inside = |step: Step, value: &Value| {
        path.push(step);
        leaves(value, path, found);
        path.pop();
    };
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (name, value) in map {
                inside(Step::Field(name.clone()), value);
            }
        }
        Value::Array(list) if !list.is_empty() => {
            for (at, value) in list.iter().enumerate() {
                inside(Step::Item(at), value);
            }
        }
        _ => {}
    }
    if !path.is_empty() {
        found.push(path.clone());
    }
}

/// What an object is must stay, or nothing can be said of it.
fn leave_out(object: &mut Value, path: &[Step]) {
    let Some((last, before)) = path.split_last() else {
        return;
    };
    let said = |name: &String| before.is_empty() && matches!(name.as_str(), "apiVersion" | "kind");
    match (at_path(object, before), last) {
        (Some(Value::Object(map)), Step::Field(name)) if !said(name) => _ = map.remove(name),
        (Some(Value::Array(list)), Step::Item(at)) => _ = list.remove(*at),
        _ => {}
    }
}

fn at_path<'a>(value: &'a mut Value, path: &[Step]) -> Option<&'a mut Value> {
    path.iter().try_fold(value, |value, step| match step {
        Step::Field(name) => value.get_mut(name),
        Step::Item(at) => value.get_mut(at),
    })
}

/// Fields that are maps: what is in them are keys, not fields of a Go struct.
const MAPS: [&str; 9] = [
    "labels",
    "annotations",
    "data",
    "binaryData",
    "stringData",
    "matchLabels",
    "nodeSelector",
    "limits",
    "requests",
];

/// The Go struct that a path ends in, and the path as Go writes it: fields of structs only.
fn go_field(kind: &str, path: &[Step]) -> (String, String) {
    let mut place = kind.to_owned();
    let mut fields: Vec<&str> = Vec::new();
    for step in path {
        let Step::Field(name) = step else {
            continue;
        };
        if let Some(outer) = fields.last() {
            if MAPS.contains(outer) {
                break;
            }
            place = match *outer {
                "metadata" => "ObjectMeta".to_owned(),
                "template" => "PodTemplateSpec".to_owned(),
                "spec" if place == "PodTemplateSpec" => "PodSpec".to_owned(),
                "spec" => format!("{kind}Spec"),
                "status" => format!("{kind}Status"),
                "selector" => "LabelSelector".to_owned(),
                "containers" | "initContainers" => "Container".to_owned(),
                "ports" if place == "Container" => "ContainerPort".to_owned(),
                "ports" => "ServicePort".to_owned(),
                _ => place,
            };
        }
        fields.push(name);
    }
    (place, fields.join("."))
}

/// The JSON of an object as Go prints it: the fields of a map by name, those of `metadata` in the order of its type.
pub fn print_object(object: &Value) -> String {
    const META: [&str; 14] = [
        "name",
        "generateName",
        "namespace",
        "selfLink",
        "uid",
        "resourceVersion",
        "generation",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "labels",
        "annotations",
        "ownerReferences",
        "finalizers",
    ];
    let Some(map) = object.as_object() else {
        return object.to_string();
    };
    let fields = map.iter().map(|(name, value)| match name.as_str() {
        "metadata" => format!("\"metadata\":{}", print_fields(value, &META)),
        _ => format!("\"{name}\":{value}"),
    });
    format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
}

/// The fields of an object in this order, those that are not there left out.
pub fn print_fields(object: &Value, order: &[&str]) -> String {
    let fields = order
        .iter()
        .filter_map(|name| Some(format!("\"{name}\":{}", object.get(name)?)));
    format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests {
    use super::super::typed;
    use super::*;
    use serde_json::json;

    #[test]
    fn broken_json_is_told_as_go_tells_it() {
        let check = |text: &str, want: &str| assert_eq!(syntax_error(text.as_bytes()), want, "{text}");
        check(
            "{nonsense",
            "invalid character 'n' looking for beginning of object key string",
        );
        check("", "unexpected end of JSON input");
        check("{\"a\": 1", "unexpected end of JSON input");
        check("{\"a\" 1}", "invalid character '1' after object key");
        check(
            "{\"a\": 1 2}",
            "invalid character '2' after object key:value pair",
        );
        check("[1 2]", "invalid character '2' after array element");
        check("[1,]", "invalid character ']' looking for beginning of value");
        check("{} x", "invalid character 'x' after top-level value");
        check("nil", "invalid character 'i' in literal null (expecting 'u')");
        check(
            "\u{9}\u{1}",
            "invalid character '\\x01' looking for beginning of value",
        );
    }

    #[test]
    fn addresses_carry_base64_and_back() {
        for text in ["", "a", "ab", "abc", "{\"v\":\"?>~\"}"] {
            assert_eq!(
                from_base64_url(&base64_url(text.as_bytes())).as_deref(),
                Ok(text.as_bytes())
            );
        }
        assert_eq!(
            from_base64_url("ab!"),
            Err("illegal base64 data at input byte 2".to_owned())
        );
    }

    #[test]
    fn a_wrong_type_is_told_with_its_field() {
        let check = |kind: &str, typed: Typed, sent: Value, want: &str| {
            let why = typed(sent.clone()).unwrap_err();
            assert_eq!(type_error(kind, &sent, typed, &why), want);
        };
        check(
            "ReplicaSet",
            typed::replica_set(),
            json!({"spec": {"template": {"spec": {"containers": [{"name": "c", "image": 3}]}}}}),
            "json: cannot unmarshal number into Go struct field Container.spec.template.spec.containers.image of type string",
        );
        check(
            "ConfigMap",
            typed::configmap(),
            json!({"metadata": {"name": "a", "labels": {"k": true}}}),
            "json: cannot unmarshal bool into Go struct field ObjectMeta.metadata.labels of type string",
        );
        check(
            "Secret",
            typed::secret(),
            json!({"data": {"k": "a b"}}),
            "illegal base64 data at input byte 1",
        );
    }
}
