//! DNS: questions out, answers in, each in a task of its own and in bounded time. What was answered is remembered by the switch, which
//! knows best what it still needs; so nothing is kept here.
#![expect(clippy::disallowed_methods, reason = "each question has its task")]

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ResolverConfig, ServerOrderingStrategy,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use tokio::sync::{Semaphore, mpsc};

use crate::switch::settings::Dns;
use crate::wire::sip::locating::{
    Answer, Kind, MOST_RECORDS, Naptr, Question, Records, Resolution, Srv,
};

/// Questions asked at once; the switch asks fewer.
const AT_ONCE: usize = 64;
/// That there is nothing is believed so long where the answer does not say.
const NOTHING: Duration = Duration::from_secs(30);
/// A server is asked so often within the time of a question: one packet may be lost.
const ATTEMPTS: u32 = 2;

/// See the module.
#[derive(Debug)]
pub struct Resolver {
    /// `None`: the system names no server.
    resolver: Option<TokioResolver>,
    timeout: Duration,
    tell: mpsc::Sender<Resolution>,
    room: Arc<Semaphore>,
}

impl Resolver {
    /// Reads who is to be asked. To be called within the runtime that will drive it; answers come by the channel.
    pub fn start(dns: &Dns) -> (Resolver, mpsc::Receiver<Resolution>) {
        let (tell, told) = mpsc::channel(AT_ONCE);
        let room = Arc::new(Semaphore::new(AT_ONCE));
        (Resolver { resolver: resolver(dns), timeout: dns.timeout, tell, room }, told)
    }

    /// Asks; does not wait. Every question is answered, if only by [`Answer::Failed`].
    pub fn ask(&self, question: Question) {
        let place = Arc::clone(&self.room).try_acquire_owned();
        let (Some(resolver), Ok(place)) = (self.resolver.clone(), place) else {
            // Where even this finds no room, the switch stops waiting by itself.
            let _ = self.tell.try_send(Resolution { question, answer: Answer::Failed });
            return;
        };
        let (timeout, tell) = (self.timeout, self.tell.clone());
        tokio::spawn(async move {
            let asked = tokio::time::timeout(timeout, answer(&resolver, &question));
            let answer = asked.await.unwrap_or(Answer::Failed);
            tracing::debug!(event = "resolved", name = %question.name, kind = ?question.kind, ?answer);
            // The switch may have ended.
            let _ = tell.send(Resolution { question, answer }).await;
            drop(place);
        });
    }
}

fn resolver(dns: &Dns) -> Option<TokioResolver> {
    let builder = if dns.servers.is_empty() {
        TokioResolver::builder_tokio()
    } else {
        let server = |address: &std::net::SocketAddr| {
            let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut way| {
                way.port = address.port();
                way
            });
            NameServerConfig::new(address.ip(), true, connections.into())
        };
        let servers = dns.servers.iter().map(server).collect();
        let config = ResolverConfig::from_name_servers(servers);
        Ok(TokioResolver::builder_with_config(config, TokioRuntimeProvider::default()))
    };
    let built = builder.and_then(|mut builder| {
        let options = builder.options_mut();
        options.timeout = dns.timeout / ATTEMPTS;
        options.attempts = ATTEMPTS as usize - 1;
        options.cache_size = 0;
        options.server_ordering_strategy = ServerOrderingStrategy::UserProvidedOrder;
        builder.build()
    });
    built.inspect_err(|error| tracing::warn!(event = "no_dns", %error)).ok()
}

async fn answer(resolver: &TokioResolver, question: &Question) -> Answer {
    // Whole: no search domain of this machine is put after it.
    let Ok(name) = Name::from_ascii(format!("{}.", question.name)) else { return Answer::Failed };
    let kind = match question.kind {
        Kind::Naptr => RecordType::NAPTR,
        Kind::Srv => RecordType::SRV,
        Kind::A => RecordType::A,
        Kind::Aaaa => RecordType::AAAA,
    };
    match resolver.lookup(name, kind).await {
        Ok(lookup) => {
            let (records, count) = records(question.kind, lookup.answers());
            let ttl = lookup.answers().iter().map(|record| record.ttl).min();
            let ttl = Duration::from_secs(ttl.unwrap_or(0).into());
            if count == 0 { Answer::Nothing(NOTHING) } else { Answer::Found(records, ttl) }
        }
        Err(NetError::Dns(DnsError::NoRecordsFound(none)))
            if matches!(none.response_code, ResponseCode::NXDomain | ResponseCode::NoError) =>
        {
            let ttl = none.negative_ttl.map(|ttl| Duration::from_secs(ttl.into()));
            Answer::Nothing(ttl.unwrap_or(NOTHING))
        }
        Err(_) => Answer::Failed,
    }
}

/// What counts of an answer, and how much that is.
fn records(kind: Kind, answers: &[Record]) -> (Records, usize) {
    let values = answers.iter().map(|record| &record.data);
    match kind {
        Kind::Naptr => {
            let naptr = values.filter_map(|value| match value {
                RData::NAPTR(naptr) => Some(Naptr {
                    order: naptr.order,
                    preference: naptr.preference,
                    flags: String::from_utf8_lossy(&naptr.flags).into(),
                    service: String::from_utf8_lossy(&naptr.services).into(),
                    replacement: text(&naptr.replacement),
                }),
                _ => None,
            });
            let naptr: Vec<Naptr> = naptr.take(MOST_RECORDS).collect();
            let count = naptr.len();
            (Records::Naptr(naptr), count)
        }
        Kind::Srv => {
            let srv = values.filter_map(|value| match value {
                RData::SRV(srv) => Some(Srv {
                    priority: srv.priority,
                    weight: srv.weight,
                    port: srv.port,
                    target: text(&srv.target),
                }),
                _ => None,
            });
            let mut srv: Vec<Srv> = srv.collect();
            // The best of too many.
            srv.sort_by_key(|record| record.priority);
            srv.truncate(MOST_RECORDS);
            let count = srv.len();
            (Records::Srv(srv), count)
        }
        Kind::A | Kind::Aaaa => {
            let addresses = values.filter_map(|value| match value {
                RData::A(address) => Some(IpAddr::V4(address.0)),
                RData::AAAA(address) => Some(IpAddr::V6(address.0)),
                _ => None,
            });
            let addresses: Vec<IpAddr> = addresses.take(MOST_RECORDS).collect();
            let count = addresses.len();
            (Records::Addresses(addresses), count)
        }
    }
}

/// Lower-case, without the dot at its end; of the root, nothing.
fn text(name: &Name) -> Box<str> {
    let text = name.to_ascii().to_ascii_lowercase();
    text.strip_suffix('.').unwrap_or(&text).into()
}

#[cfg(test)]
mod tests;
