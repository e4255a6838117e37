//! The list of actions of a real client, by rumqttc. Prints what came of each as JSON.

use serde_json::{json, Map, Value};
use std::time::Duration;
use tokio::sync::mpsc::{unbounded_channel, UnboundedReceiver, UnboundedSender};
use tokio::task::JoinHandle;

/// What a client hears of, whatever version it speaks.
enum Event {
    Joined(bool),
    Subscribed(Vec<u8>),
    Unsubscribed,
    Acknowledged,
    Heard(Message),
}

struct Message {
    topic: String,
    qos: u8,
    retain: bool,
    payload: Vec<u8>,
    properties: Value,
}

enum Library {
    Four(rumqttc::AsyncClient),
    Five(rumqttc::v5::AsyncClient),
}

struct Client {
    library: Library,
    events: UnboundedReceiver<Event>,
    heard: Vec<Message>,
    running: JoinHandle<()>,
    present: bool,
}

struct Asked {
    port: u16,
    password: String,
    five: bool,
    letter: String,
}

fn qos_four(qos: u8) -> rumqttc::QoS {
    rumqttc::qos(qos).unwrap()
}

fn qos_five(qos: u8) -> rumqttc::v5::mqttbytes::QoS {
    rumqttc::v5::mqttbytes::qos(qos).unwrap()
}

fn open_four(asked: &Asked, id: String, clean: bool, will: Option<String>, to: UnboundedSender<Event>) -> (Library, JoinHandle<()>) {
    use rumqttc::{Event as Said, LastWill, Packet, SubscribeReasonCode};
    let mut options = rumqttc::MqttOptions::new(id, "127.0.0.1", asked.port);
    options.set_credentials("u", &asked.password).set_clean_session(clean).set_max_packet_size(1 << 20, 1 << 20);
    if let Some(topic) = will {
        options.set_last_will(LastWill::new(topic, "gone", qos_four(1), false));
    }
    let (client, mut events) = rumqttc::AsyncClient::new(options, 100);
    let running = tokio::task::spawn_local(async move {
        while let Ok(said) = events.poll().await {
            let event = match said {
                Said::Incoming(Packet::ConnAck(answer)) => Event::Joined(answer.session_present),
                Said::Incoming(Packet::SubAck(answer)) => Event::Subscribed(
                    answer.return_codes.iter().map(|code| match code {
                        SubscribeReasonCode::Success(qos) => *qos as u8,
                        SubscribeReasonCode::Failure => 0x80,
                    }).collect(),
                ),
                Said::Incoming(Packet::UnsubAck(_)) => Event::Unsubscribed,
                Said::Incoming(Packet::PubAck(_)) | Said::Incoming(Packet::PubComp(_)) => Event::Acknowledged,
                Said::Incoming(Packet::Publish(heard)) => Event::Heard(Message {
                    topic: heard.topic,
                    qos: heard.qos as u8,
                    retain: heard.retain,
                    payload: heard.payload.to_vec(),
                    properties: Value::Null,
                }),
                _ => continue,
            };
            if to.send(event).is_err() {
                return;
            }
        }
    });
    (Library::Four(client), running)
}

fn open_five(asked: &Asked, id: String, clean: bool, will: Option<String>, to: UnboundedSender<Event>) -> (Library, JoinHandle<()>) {
    use rumqttc::v5::mqttbytes::v5::{LastWill, Packet, SubscribeReasonCode};
    use rumqttc::v5::Event as Said;
    let letter = asked.letter.clone();
    let mut options = rumqttc::v5::MqttOptions::new(id, "127.0.0.1", asked.port);
    options.set_credentials("u", &asked.password).set_clean_start(clean).set_max_packet_size(Some(1 << 20));
    options.set_session_expiry_interval(Some(if clean { 0 } else { 600 }));
    if let Some(topic) = will {
        options.set_last_will(LastWill::new(topic, "gone", qos_five(1), false, None));
    }
    let (client, mut events) = rumqttc::v5::AsyncClient::new(options, 100);
    let running = tokio::task::spawn_local(async move {
        while let Ok(said) = events.poll().await {
            let event = match said {
                Said::Incoming(Packet::ConnAck(answer)) => Event::Joined(answer.session_present),
                Said::Incoming(Packet::SubAck(answer)) => Event::Subscribed(
                    answer.return_codes.iter().map(|code| match code {
                        SubscribeReasonCode::Success(qos) => *qos as u8,
                        _ => 0x80,
                    }).collect(),
                ),
                Said::Incoming(Packet::UnsubAck(_)) => Event::Unsubscribed,
                Said::Incoming(Packet::PubAck(_)) | Said::Incoming(Packet::PubComp(_)) => Event::Acknowledged,
                Said::Incoming(Packet::Publish(heard)) => {
                    let said = heard.properties.unwrap_or_default();
                    let user: Vec<String> = said.user_properties.iter().map(|(name, value)| format!("{name}={value}")).collect();
                    Event::Heard(Message {
                        topic: String::from_utf8(heard.topic.to_vec()).unwrap(),
                        qos: heard.qos as u8,
                        retain: heard.retain,
                        payload: heard.payload.to_vec(),
                        properties: json!([
                            user,
                            said.response_topic.map(|topic| topic.replace(&letter, "~")),
                            said.correlation_data.map(|data| String::from_utf8_lossy(&data).to_string()),
                            said.content_type
                        ]),
                    })
                }
                _ => continue,
            };
            if to.send(event).is_err() {
                return;
            }
        }
    });
    (Library::Five(client), running)
}

impl Client {
    async fn open(asked: &Asked, name: &str, clean: bool, will: Option<String>) -> Client {
        let id = format!("{}{name}", asked.letter);
        let (to, events) = unbounded_channel();
        let (library, running) =
            if asked.five { open_five(asked, id, clean, will, to) } else { open_four(asked, id, clean, will, to) };
        let mut client = Client { library, events, heard: Vec::new(), running, present: false };
        client.present = loop {
            if let Event::Joined(present) = client.next().await {
                break present;
            }
        };
        client
    }

    /// The next event; messages are kept as well.
    async fn next(&mut self) -> Event {
        let waited = tokio::time::timeout(Duration::from_secs(60), self.events.recv()).await;
        match waited.expect("what was waited for never came").expect("the connection ended") {
            Event::Heard(message) => {
                self.heard.push(message);
                Event::Heard(Message { topic: String::new(), qos: 0, retain: false, payload: Vec::new(), properties: Value::Null })
            }
            other => other,
        }
    }

    async fn subscribe(&mut self, topic: &str, qos: u8) -> u8 {
        match &self.library {
            Library::Four(client) => client.subscribe(topic, qos_four(qos)).await.unwrap(),
            Library::Five(client) => client.subscribe(topic, qos_five(qos)).await.unwrap(),
        }
        loop {
            if let Event::Subscribed(codes) = self.next().await {
                return codes[0];
            }
        }
    }

    async fn unsubscribe(&mut self, topic: &str) {
        match &self.library {
            Library::Four(client) => client.unsubscribe(topic).await.unwrap(),
            Library::Five(client) => client.unsubscribe(topic).await.unwrap(),
        }
        while !matches!(self.next().await, Event::Unsubscribed) {}
    }

    async fn publish(&mut self, topic: String, payload: impl Into<Vec<u8>>, qos: u8, retain: bool) {
        let payload: Vec<u8> = payload.into();
        match &self.library {
            Library::Four(client) => client.publish(topic, qos_four(qos), retain, payload).await.unwrap(),
            Library::Five(client) => client.publish(topic, qos_five(qos), retain, payload).await.unwrap(),
        }
        while qos > 0 && !matches!(self.next().await, Event::Acknowledged) {}
    }

    async fn publish_with_properties(&mut self, topic: String, letter: &str) {
        if let Library::Five(client) = &self.library {
            let pair = |name: &str, value: &str| (name.to_string(), value.to_string());
            let properties = rumqttc::v5::mqttbytes::v5::PublishProperties {
                user_properties: vec![pair("k", "1"), pair("k", "2"), pair("a", "3")],
                response_topic: Some(format!("{letter}/answer")),
                correlation_data: Some("77".into()),
                content_type: Some("text/plain".into()),
                ..Default::default()
            };
            client.publish_with_properties(topic, qos_five(1), false, "asked", properties).await.unwrap();
        }
        while !matches!(self.next().await, Event::Acknowledged) {}
    }

    async fn take(&mut self, count: usize) -> Vec<Message> {
        while self.heard.len() < count {
            self.next().await;
        }
        std::mem::take(&mut self.heard)
    }

    async fn leave(self) {
        match &self.library {
            Library::Four(client) => client.disconnect().await.unwrap(),
            Library::Five(client) => client.disconnect().await.unwrap(),
        }
        let _ = tokio::time::timeout(Duration::from_secs(5), self.running).await;
    }

    fn fail(self) {
        self.running.abort();
    }
}

fn lines(messages: &[Message], letter: &str) -> Vec<String> {
    let mut all: Vec<String> = messages
        .iter()
        .map(|message| {
            let payload = match message.payload.len() {
                0..=99 => String::from_utf8_lossy(&message.payload).to_string(),
                length => format!("{length} octets"),
            };
            let retain = if message.retain { " retain" } else { "" };
            format!("{} q{}{retain} {payload}", message.topic, message.qos).replace(letter, "~")
        })
        .collect();
    all.sort();
    all
}

async fn run(asked: Asked) -> Value {
    let letter = asked.letter.clone();
    let topic = |name: &str| format!("{letter}{name}");
    let mut done = Map::new();
    let mut publisher = Client::open(&asked, "-pub", true, None).await;
    let mut subscriber = Client::open(&asked, "-sub", false, None).await;
    done.insert("connect".into(), json!([publisher.present, subscriber.present]));
    let granted = [subscriber.subscribe(&topic("/a/#"), 2).await, subscriber.subscribe(&topic("/+/q1"), 1).await];
    done.insert("subscribe".into(), json!(granted));
    for qos in 0..3 {
        publisher.publish(topic("/a/x"), format!("m{qos}"), qos, false).await;
    }
    done.insert("receive".into(), json!(lines(&subscriber.take(3).await, &letter)));
    publisher.publish(topic("/a/x"), vec![b'x'; 200_000], 1, false).await;
    let large = subscriber.take(1).await.remove(0).payload;
    done.insert("large".into(), json!([large.len(), large.iter().map(|octet| *octet as u64).sum::<u64>()]));
    publisher.publish(topic("/r/1"), "kept", 1, true).await;
    let mut late = Client::open(&asked, "-late", true, None).await;
    late.subscribe(&topic("/r/#"), 1).await;
    done.insert("retained".into(), json!(lines(&late.take(1).await, &letter)));
    publisher.publish(topic("/r/1"), "", 1, true).await;
    late.leave().await;
    subscriber.unsubscribe(&topic("/a/#")).await;
    publisher.publish(topic("/a/x"), "unheard", 1, false).await;
    publisher.publish(topic("/b/q1"), "marker", 1, false).await;
    done.insert("unsubscribe".into(), json!(lines(&subscriber.take(1).await, &letter)));
    subscriber.leave().await;
    publisher.publish(topic("/b/q1"), "away 1", 1, false).await;
    publisher.publish(topic("/b/q1"), "away 2", 2, false).await;
    let mut subscriber = Client::open(&asked, "-sub", false, None).await;
    let waited = subscriber.take(2).await;
    done.insert("session".into(), json!([subscriber.present, lines(&waited, &letter)]));
    Client::open(&asked, "-will", true, Some(topic("/b/q1"))).await.fail();
    done.insert("will".into(), json!(lines(&subscriber.take(1).await, &letter)));
    if asked.five {
        publisher.publish_with_properties(topic("/b/q1"), &letter).await;
        done.insert("properties".into(), subscriber.take(1).await.remove(0).properties);
        let mut one = Client::open(&asked, "-one", true, None).await;
        let mut two = Client::open(&asked, "-two", true, None).await;
        let shared = format!("$share/g/{letter}/s/#");
        one.subscribe(&shared, 1).await;
        two.subscribe(&shared, 1).await;
        for nth in 0..6 {
            publisher.publish(topic("/s/x"), format!("s{nth}"), 1, false).await;
        }
        while one.heard.len() + two.heard.len() < 6 {
            tokio::select! {
                _ = one.next() => {}
                _ = two.next() => {}
            }
        }
        let mut all = one.take(0).await;
        all.append(&mut two.take(0).await);
        done.insert("shared".into(), json!(lines(&all, &letter)));
        one.leave().await;
        two.leave().await;
    }
    subscriber.leave().await;
    // The session is forgotten.
    Client::open(&asked, "-sub", true, None).await.leave().await;
    publisher.leave().await;
    Value::Object(done)
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let given: Vec<String> = std::env::args().collect();
    let asked = Asked {
        port: given[1].parse().unwrap(),
        password: given[2].clone(),
        five: given[3] == "5",
        letter: given[4].clone(),
    };
    println!("{}", tokio::task::LocalSet::new().run_until(run(asked)).await);
}
