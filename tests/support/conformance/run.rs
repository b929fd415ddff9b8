//! Sends the requests of a script and keeps what was answered. Judges nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use axum::http::{Method, Request};
use futures::StreamExt;
use futures::future::BoxFuture;
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};

use super::mask::Mask;
use super::print;
use super::script::{Script, Step, Topic};

/// A watch that has said nothing for so long has nothing to say.
const SILENCE: Duration = Duration::from_secs(5);
/// How many times a step with `until` looks.
const LOOKS: usize = 400;

/// Stands for a value that an answer should have had.
const MISSING: &str = "missing";

/// Plural, path before the namespace, kind. The group and version are in the path.
const KINDS: [(&str, &str, &str); 13] = [
    ("configmaps", "/api/v1", "ConfigMap"),
    ("services", "/api/v1", "Service"),
    ("pods", "/api/v1", "Pod"),
    ("secrets", "/api/v1", "Secret"),
    ("events", "/apis/events.k8s.io/v1", "Event"),
    ("coreevents", "/api/v1", "Event"),
    ("replicasets", "/apis/apps/v1", "ReplicaSet"),
    ("leases", "/apis/coordination.k8s.io/v1", "Lease"),
    ("poddisruptionbudgets", "/apis/policy/v1", "PodDisruptionBudget"),
    ("rollouts", "/apis/argoproj.io/v1alpha1", "Rollout"),
    ("analysisruns", "/apis/argoproj.io/v1alpha1", "AnalysisRun"),
    (
        "analysistemplates",
        "/apis/argoproj.io/v1alpha1",
        "AnalysisTemplate",
    ),
    ("gadgets", "/apis/conformance.serin.dev/v1", "Gadget"),
];

/// What came back: a status code with a body, or a watch's events.
#[derive(Debug)]
pub struct Answer {
    pub code: u16,
    pub bodies: Vec<Value>,
    pub is_watch: bool,
}

/// Runs scripts, each in two namespaces of its own.
pub struct Runner<'a> {
    pub client: Client,
    /// Begins the names of namespaces, so that two runs on one cluster do not meet.
    pub prefix: String,
    /// Lets time pass while waiting for something that happens by itself.
    pub pause: &'a (dyn Fn() -> BoxFuture<'static, ()> + Sync),
}

/// What a step may refer to.
struct Known {
    namespace: String,
    answers: BTreeMap<String, Value>,
}

impl Runner<'_> {
    /// The transcripts of all scripts of a topic, by script name and in the order of the file.
    pub async fn topic(&self, topic: &Topic) -> Result<Vec<(String, String)>> {
        let mut transcripts = Vec::new();
        for (number, script) in topic.scripts.iter().enumerate() {
            let namespace = format!("{}-{}-{number}", self.prefix, topic.name);
            let text = self.script(script, &namespace).await;
            let text = text.with_context(|| format!("{}: {}", topic.name, script.name))?;
            transcripts.push((script.name.clone(), text));
        }
        Ok(transcripts)
    }

    async fn script(&self, script: &Script, namespace: &str) -> Result<String> {
        let other = format!("{namespace}-other");
        let names: &[&str] = if script.uses_other() {
            &[namespace, &other]
        } else {
            &[namespace]
        };
        for name in names {
            self.namespace(name).await?;
        }
        let mut known = Known {
            namespace: namespace.to_owned(),
            answers: BTreeMap::new(),
        };
        let mut answers = Vec::new();
        for step in &script.steps {
            let answer = self.step(step, &known).await;
            let answer = answer.with_context(|| step.request.clone())?;
            if let (Some(name), Some(body)) = (&step.saved, answer.bodies.first()) {
                known.answers.insert(name.clone(), body.clone());
            }
            answers.push(answer);
        }
        for name in names {
            let request = Request::delete(format!("/api/v1/namespaces/{name}")).body(Body::empty())?;
            self.client.send(request).await?;
        }
        let mask = Mask::new(namespace, &answers);
        Ok(print::transcript(script, &answers, &mask))
    }

    async fn namespace(&self, name: &str) -> Result<()> {
        let body = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        let request = Request::post("/api/v1/namespaces").header("content-type", "application/json");
        let answer = self
            .client
            .send(request.body(body.to_string().into_bytes().into())?)
            .await?;
        if answer.status().as_u16() != 201 {
            bail!("the namespace {name} was not made: {}", answer.status());
        }
        Ok(())
    }

    async fn step(&self, step: &Step, known: &Known) -> Result<Answer> {
        let request = Prepared::new(step, known)?;
        for _ in 1..LOOKS {
            let answer = self.send(&request).await?;
            if step.until.is_none_or(|code| code == answer.code) {
                return Ok(answer);
            }
            (self.pause)().await;
        }
        // Still not so: the last answer is the difference.
        self.send(&request).await
    }

    async fn send(&self, prepared: &Prepared) -> Result<Answer> {
        let mut request = Request::builder()
            .method(prepared.method.clone())
            .uri(&prepared.uri);
        if let Some(content) = &prepared.content {
            request = request.header("content-type", content);
        }
        let body = prepared.body.clone().map_or_else(Body::empty, Body::from);
        let response = self.client.send(request.body(body)?).await?;
        let code = response.status().as_u16();
        let stream = axum::body::Body::new(response.into_body()).into_data_stream();
        let is_watch = prepared.events.is_some() && code == 200;
        let wanted = prepared.events.filter(|_| is_watch).unwrap_or(usize::MAX);
        Ok(Answer {
            code,
            bodies: bodies(stream, wanted, is_watch).await?,
            is_watch,
        })
    }
}

/// The JSON documents of a body: one, or `wanted` of a watch.
async fn bodies(mut stream: axum::body::BodyDataStream, wanted: usize, is_watch: bool) -> Result<Vec<Value>> {
    let (mut found, mut text) = (Vec::new(), Vec::new());
    while found.len() < wanted {
        let Ok(Some(chunk)) = tokio::time::timeout(SILENCE, stream.next()).await else {
            break;
        };
        text.extend_from_slice(&chunk?);
        while let Some(end) = text
            .iter()
            .position(|byte| *byte == b'\n')
            .filter(|_| is_watch && found.len() < wanted)
        {
            let line: Vec<u8> = text.drain(..=end).collect();
            found.push(serde_json::from_slice(&line)?);
        }
    }
    if !is_watch && !text.is_empty() {
        let plain = |_| Value::String(String::from_utf8_lossy(&text).trim().to_owned());
        found.push(serde_json::from_slice(&text).unwrap_or_else(plain));
    }
    Ok(found)
}

/// A request with everything filled in, so that it can be sent again.
struct Prepared {
    method: Method,
    uri: String,
    content: Option<String>,
    body: Option<Vec<u8>>,
    events: Option<usize>,
}

impl Prepared {
    fn new(step: &Step, known: &Known) -> Result<Self> {
        let words: Vec<&str> = step.request.split_whitespace().collect();
        let [verb, what, rest @ ..] = words.as_slice() else {
            bail!("expected VERB KIND [NAME]");
        };
        let (verb, what) = (*verb, *what);
        let mut body = step.body.clone();
        let (method, path) = if verb == "raw" {
            let path = rest.first().context("expected raw METHOD PATH")?;
            (Method::from_bytes(what.as_bytes())?, known.text(path)?)
        } else {
            let kind = KINDS.iter().find(|(plural, ..)| *plural == what);
            let (plural, base, kind) = kind.with_context(|| format!("unknown kind {what}"))?;
            let fills =
                !step.bare && matches!(verb, "create" | "update") || step.content.as_deref() == Some("apply");
            if let (Some(Value::Object(fields)), true) = (&mut body, fills) {
                let version = base.trim_start_matches("/apis/").trim_start_matches("/api/");
                fields.entry("apiVersion").or_insert_with(|| version.into());
                fields.entry("kind").or_insert_with(|| (*kind).into());
            }
            let plural = plural.trim_start_matches("core");
            (
                method(verb)?,
                known.path(step, base, plural, rest.first().copied())?,
            )
        };
        if let Some(body) = &mut body {
            known.fill(body)?;
        }
        Ok(Self {
            content: content(step, verb),
            uri: format!("{path}{}", known.query(step, verb)?),
            method,
            body: body.map(|body| match body {
                Value::String(text) if step.bare => text.into_bytes(),
                body => body.to_string().into_bytes(),
            }),
            events: step.events.or((verb == "watch").then_some(1)),
        })
    }
}

fn method(verb: &str) -> Result<Method> {
    Ok(match verb {
        "create" => Method::POST,
        "get" | "list" | "watch" => Method::GET,
        "update" => Method::PUT,
        "patch" => Method::PATCH,
        "delete" | "deletecollection" => Method::DELETE,
        other => bail!("unknown verb {other}"),
    })
}

fn content(step: &Step, verb: &str) -> Option<String> {
    let written = match step.content.as_deref() {
        Some("merge") => "application/merge-patch+json",
        Some("json") => "application/json-patch+json",
        Some("strategic") => "application/strategic-merge-patch+json",
        Some("apply") => "application/apply-patch+yaml",
        Some(other) => other,
        None if verb == "patch" => "application/merge-patch+json",
        None => "application/json",
    };
    step.body.as_ref().map(|_| written.to_owned())
}

impl Known {
    fn path(&self, step: &Step, base: &str, plural: &str, name: Option<&str>) -> Result<String> {
        let namespace = self.text(step.namespace.as_deref().unwrap_or("${ns}"))?;
        let mut path = match namespace.as_str() {
            "" => format!("{base}/{plural}"),
            namespace => format!("{base}/namespaces/{namespace}/{plural}"),
        };
        if let Some(name) = name {
            path = format!("{path}/{}", self.text(name)?);
        }
        Ok(path)
    }

    fn query(&self, step: &Step, verb: &str) -> Result<String> {
        let mut all = Vec::new();
        if verb == "watch" {
            all.push(("watch".to_owned(), "true".to_owned()));
        }
        for (name, value) in &step.query {
            let value = match value {
                Value::String(text) => self.text(text)?,
                other => other.to_string(),
            };
            all.push((name.clone(), value));
        }
        let all: Vec<String> = all
            .iter()
            .map(|(name, value)| format!("{name}={}", escape(value)))
            .collect();
        Ok(if all.is_empty() {
            String::new()
        } else {
            format!("?{}", all.join("&"))
        })
    }

    /// Fills placeholders into every string of `body`.
    fn fill(&self, body: &mut Value) -> Result<()> {
        match body {
            Value::String(text) => *text = self.text(text)?,
            Value::Array(items) => items.iter_mut().try_for_each(|item| self.fill(item))?,
            Value::Object(fields) => fields.values_mut().try_for_each(|field| self.fill(field))?,
            _ => {}
        }
        Ok(())
    }

    fn text(&self, text: &str) -> Result<String> {
        let mut rest = text;
        let mut filled = String::new();
        while let Some((before, after)) = rest.split_once("${") {
            let (name, after) = after.split_once('}').context("a placeholder without its end")?;
            filled = filled + before + &self.value(name)?;
            rest = after;
        }
        Ok(filled + rest)
    }

    fn value(&self, name: &str) -> Result<String> {
        match name {
            "ns" => return Ok(self.namespace.clone()),
            "other" => return Ok(format!("{}-other", self.namespace)),
            _ => {}
        }
        let (answer, path) = name
            .split_once('.')
            .with_context(|| format!("no value ${{{name}}}"))?;
        let answer = self
            .answers
            .get(answer)
            .with_context(|| format!("no answer {answer}"))?;
        Ok(match answer.pointer(&format!("/{}", path.replace('.', "/"))) {
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
            // The answer before it is the difference that matters; the script goes on.
            None => MISSING.to_owned(),
        })
    }
}

/// Percent-encodes a query value.
fn escape(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes()
        .map(|byte| match byte {
            byte if plain(byte) => (byte as char).to_string(),
            byte => format!("%{byte:02X}"),
        })
        .collect()
}
