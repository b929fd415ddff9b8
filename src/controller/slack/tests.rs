use super::*;
use crate::notify::slack::samples::update;
use serde_json::{Value, json};

/// A workspace whose clock is `behind` seconds behind ours. It takes every message; of those numbered in `mute` its answers are lost.
struct Workspace {
    behind: i64,
    mute: Vec<usize>,
    posted: Mutex<Vec<Value>>,
    asked: Mutex<Vec<String>>,
}

impl Workspace {
    fn new(behind: i64, mute: &[usize]) -> Arc<Self> {
        Arc::new(Self {
            behind,
            mute: mute.to_vec(),
            posted: Mutex::default(),
            asked: Mutex::default(),
        })
    }

    fn post(&self, mut body: Value) -> Result<Value, String> {
        let mut posted = self.posted.lock().unwrap();
        let number = posted.len();
        let at = update(Moment::Started).at.timestamp() - self.behind;
        let ts = format!("{at}.{:06}", number + 1);
        body["ts"] = json!(ts);
        posted.push(body);
        match self.mute.contains(&number) {
            true => Err("the connection broke".to_owned()),
            false => Ok(json!({"ok": true, "channel": "C1", "ts": ts})),
        }
    }

    fn list(&self, url: &str) -> Value {
        let url = reqwest::Url::parse(url).unwrap();
        let param = |name: &str| {
            let mut pairs = url.query_pairs();
            pairs
                .find(|(key, _)| key == name)
                .map(|(_, value)| value.into_owned())
        };
        let (root, oldest) = (param("ts"), param("oldest").unwrap_or_default());
        let posted = self.posted.lock().unwrap();
        let of_thread = |body: &&Value| match &root {
            Some(root) => body["thread_ts"] == json!(root),
            None => body["thread_ts"].is_null(),
        };
        let later = |body: &&Value| body["ts"].as_str().unwrap() > oldest.as_str();
        let found: Vec<&Value> = posted.iter().filter(of_thread).filter(later).collect();
        json!({"ok": true, "messages": found})
    }
}

impl Carrier for Workspace {
    fn carry(&self, url: &str, body: Option<Value>, _: &str) -> BoxFuture<'static, Result<Carried, String>> {
        let method = url.split('?').next().and_then(|path| path.rsplit('/').next());
        self.asked.lock().unwrap().push(method.unwrap().to_owned());
        let answer = match body {
            Some(body) => self.post(body),
            None => Ok(self.list(url)),
        };
        let carried = answer.map(|body| Carried {
            status: 200,
            retry_after: None,
            body: body.to_string(),
        });
        futures::future::ready(carried).boxed()
    }
}

/// Tells the workspace all this, one after the other, and returns how many messages it has in the end.
async fn told(workspace: &Arc<Workspace>, moments: Vec<Moment>) -> usize {
    let config = Config {
        channel: Some("C1".into()),
        ..Config::default()
    };
    let token: Arc<dyn TokenSource> = Arc::new(|| async { Ok(Some(Secret::new("xoxb-1".to_owned()))) });
    let carrier: Arc<dyn Carrier> = Arc::clone(workspace) as _;
    let outbox = spawn(config, Some(token), Some(carrier), &Tasks::default()).unwrap();
    for moment in moments {
        outbox.send(update(moment));
        outbox.drained().await;
    }
    workspace.posted.lock().unwrap().len()
}

#[tokio::test(start_paused = true)]
async fn a_message_whose_answer_was_lost_is_looked_for_in_its_thread() {
    let workspace = Workspace::new(0, &[1]);
    let moments = vec![
        Moment::Started,
        Moment::Aborted("5 % of its requests failed".into()),
    ];
    assert_eq!(told(&workspace, moments).await, 2);
    let asked = workspace.asked.lock().unwrap().clone();
    assert_eq!(asked.last().map(String::as_str), Some("conversations.replies"));
}

#[tokio::test(start_paused = true)]
async fn a_message_that_arrived_is_found_though_the_clocks_are_hours_apart() {
    let workspace = Workspace::new(5 * 3_600, &[0]);
    assert_eq!(told(&workspace, vec![Moment::Started]).await, 1);
    let asked = workspace.asked.lock().unwrap().clone();
    assert_eq!(asked, ["chat.postMessage", "conversations.history"]);
}
