//! What a REGISTER asks for: RFC 3261 §10.3, with the way back to the phone (Path, RFC 3327) and phones of several flows (RFC 5626 §6).

use std::time::Duration;

use super::Refusal;
use crate::switch::settings::Settings;
use crate::wire::address::is_host;
use crate::wire::sip::headers::{Address, Name};
use crate::wire::sip::message::{Message, Status};
use crate::wire::sip::uri::{Scheme, Uri};

/// What a binding without a stated life gets (RFC 3261 §10.2.1.1 leaves it to the registrar).
const USUAL: Duration = Duration::from_secs(3600);
/// A contact URI, a proxy of a Path or an instance is refused beyond this length.
pub(super) const LONGEST: usize = 512;
/// Proxies between us and a phone.
const MOST_PROXIES: usize = 8;

/// The option tags of a REGISTER that we know, besides those of calls.
pub(super) const SUPPORTED: &str = "path, outbound";

/// One flow of a phone that may have several: its +sip.instance and reg-id (RFC 5626 §4.1, §4.2).
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct FlowOf {
    pub(super) instance: String,
    pub(super) reg_id: u32,
}

/// A change of a binding; all are made or none (RFC 3261 §10.3, step 7).
#[derive(Debug)]
pub(super) struct Change {
    pub(super) contact: Uri,
    pub(super) flow: Option<FlowOf>,
    /// `None`: it is to go.
    pub(super) life: Option<Duration>,
}

/// Whether the phone says that it knows an extension.
pub(super) fn supports(request: &Message, tag: &str) -> bool {
    let mut tags = request.tokens(Name::Supported).chain(request.tokens(Name::Require));
    tags.any(|known| known.eq_ignore_ascii_case(tag))
}

/// The proxies that a request to the phone takes, the nearest to us first. A phone that does not know of Path could not tell that one
/// was forged (RFC 3327 §5.3, §6).
pub(super) fn path(request: &Message) -> Result<Vec<Address>, Refusal> {
    let path = request.addresses(Name::Path).map_err(|wrong| (wrong.status, wrong.what))?;
    if path.is_empty() {
        return Ok(path);
    }
    if !supports(request, "path") {
        return Err((Status::of(420), "Bad Extension"));
    }
    let fits = |proxy: &Address| {
        let is_sip = matches!(proxy.uri.scheme(), Scheme::Sip | Scheme::Sips);
        is_sip && proxy.to_string().len() <= LONGEST
    };
    if path.len() > MOST_PROXIES || !path.iter().all(fits) {
        return Err((Status::of(400), "Path is too long, or of no SIP URIs"));
    }
    Ok(path)
}

/// What one Contact asks for; `header` is the Expires of the request.
pub(super) fn change(
    settings: &Settings,
    request: &Message,
    address: Address,
    header: Option<u32>,
) -> Result<Change, Refusal> {
    let flow = flow_of(request, &address)?;
    // RFC 3261 §10.2.1.1: an unreadable expires parameter counts as 3600.
    let stated =
        address.params.get("expires").map(|value| value.parse().unwrap_or(3600)).or(header);
    let life = stated.map_or(USUAL, |seconds| Duration::from_secs(u64::from(seconds)));
    if life.is_zero() {
        return Ok(Change { contact: address.uri, flow, life: None });
    }
    if !matches!(address.uri.scheme(), Scheme::Sip | Scheme::Sips)
        || address.uri.as_str().len() > LONGEST
    {
        return Err((Status::of(400), "Contact is no SIP URI"));
    }
    if address.uri.socket_addr().is_some_and(|contact| {
        !is_host(contact.ip())
            || settings
                .listeners
                .iter()
                .any(|listener| listener.advertise == contact || listener.bind == contact)
    }) {
        return Err((Status::of(403), "Contact is no phone"));
    }
    if life < settings.registrar.shortest {
        return Err((Status::of(423), "Interval Too Brief"));
    }
    let life = Some(life.min(settings.registrar.longest));
    Ok(Change { contact: address.uri, flow, life })
}

/// The flow that a Contact names, if the phone keeps several and whoever is on the way lets it (RFC 5626 §6).
fn flow_of(request: &Message, address: &Address) -> Result<Option<FlowOf>, Refusal> {
    let (Some(reg_id), Some(instance)) =
        (address.params.get("reg-id"), address.params.get("+sip.instance"))
    else {
        return Ok(None);
    };
    if !supports(request, "outbound") {
        return Ok(None);
    }
    let reg_id: u32 = reg_id.parse().unwrap_or(0);
    if reg_id == 0 || reg_id >= 1 << 31 || instance.is_empty() || instance.len() > LONGEST {
        return Err((Status::of(400), "reg-id or +sip.instance cannot be read"));
    }
    // The proxy next to the phone has to keep the flow, and says so in its Path, which is the last.
    let is_kept = match request.via_count() {
        1 => true,
        _ => path(request)?.last().is_some_and(|first_hop| first_hop.uri.param("ob").is_some()),
    };
    if !is_kept {
        return Err((Status::of(439), "First Hop Lacks Outbound Support"));
    }
    Ok(Some(FlowOf { instance: instance.to_owned(), reg_id }))
}
