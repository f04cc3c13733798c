//! Who calls, as a carrier says it and is told it: From, P-Asserted-Identity and Privacy (RFC 3323, RFC 3325).

use super::call::{Caller, Party};
use super::headers;
use super::number::{self, Number};
use super::settings::{Gateway, Settings, Trunk};
use crate::redacted::Redacted;
use crate::wire::sip::headers::{Address, Name};
use crate::wire::sip::message::Message;
use crate::wire::sip::uri::{Host, Scheme, Uri};

/// In the address of whoever is not to be known (RFC 3323 §4.1.1.3).
const NOBODY: &str = "anonymous";
const NOWHERE: &str = "anonymous.invalid";

/// Where a carrier is told who calls.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Identity {
    /// In From alone.
    From,
    /// In P-Asserted-Identity; From is what the carrier knows us by.
    Asserted,
    /// In both.
    Both,
}

/// Whether the called side may know who calls.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Presentation {
    Shown,
    Withheld,
}

/// Who calls by this trunk. What it asserts counts only if it is trusted (RFC 3325 §5), and so does what it tells us of somebody
/// who withholds it: for our own record.
pub(super) fn caller(settings: &Settings, trunk: &Trunk, request: &Message) -> Caller {
    let read =
        |address: &Address| number::said(&address.uri).map(|text| settings.read_from(trunk, &text));
    let from = request.from();
    let claimed = read(from);
    let asserted = if trunk.trusted { asserted(request, &read) } else { None };
    let is_withheld = asks_to_withhold(request)
        || is_nowhere(&from.uri)
        || claimed.as_ref().is_some_and(Number::is_anonymous);
    let (number, name) = match asserted {
        // The name in From is that of the number in From.
        Some((number, None)) if claimed.as_ref() == Some(&number) => (number, from.display.clone()),
        Some((number, name)) => (number, name),
        None => (claimed.unwrap_or(Number::Anonymous), from.display.clone()),
    };
    let party = Party::Trunk(trunk.name.clone());
    if is_withheld {
        let kept = Some(number).filter(|number| trunk.trusted && !number.is_anonymous());
        return Caller { party, number: Number::Anonymous, kept, name: None };
    }
    let name = name.filter(|_| !number.is_anonymous());
    Caller { party, number, kept: None, name: name.map(|name| Redacted::new(name.into())) }
}

/// Who calls from a phone: the user who has proven to be it, whatever the phone says; it may ask that nobody be told.
pub(super) fn user(settings: &Settings, extension: String, request: &Message) -> Caller {
    let name = settings.users.get(&extension).map(|user| user.name.clone());
    let number = Number::Extension(extension.as_str().into());
    let party = Party::User(extension);
    if asks_to_withhold(request) {
        return Caller { party, number: Number::Anonymous, kept: Some(number), name: None };
    }
    Caller { party, number, kept: None, name }
}

/// The number in P-Asserted-Identity, and the name with it: one value has a sip or sips URI, another may have a tel URI (RFC 3325
/// §9.1). An international number is preferred to what is none.
fn asserted(
    request: &Message,
    read: &dyn Fn(&Address) -> Option<Number>,
) -> Option<(Number, Option<Box<str>>)> {
    // What cannot be read asserts nothing.
    let values = request.addresses(Name::PAssertedIdentity).ok()?;
    let is_tel = |address: &&Address| *address.uri.scheme() == Scheme::Tel;
    let is_sip = |address: &&Address| matches!(address.uri.scheme(), Scheme::Sip | Scheme::Sips);
    let both = [values.iter().find(is_sip), values.iter().find(is_tel)];
    let named = both.into_iter().flatten().filter_map(|address| {
        let number = read(address).filter(|number| !number.is_anonymous())?;
        Some((number, address.display.clone()))
    });
    // Of equals the first.
    named.min_by_key(|(number, _)| !matches!(number, Number::E164(_)))
}

/// Whether a caller does not want to be known on the other side (RFC 3323 §4.2, RFC 3325 §9.3). Some write commas.
fn asks_to_withhold(request: &Message) -> bool {
    let values = request.lines(Name::Privacy).flat_map(|line| line.split(|b| b";,".contains(b)));
    let withholds = |value: &[u8]| {
        ["id", "user", "header"].iter().any(|word| value.eq_ignore_ascii_case(word.as_bytes()))
    };
    values.map(<[u8]>::trim_ascii).any(withholds)
}

fn is_nowhere(uri: &Uri) -> bool {
    matches!(uri.host(), Some(Host::Name(name)) if name.eq_ignore_ascii_case(NOWHERE))
}

/// Whoever withholds who they are.
fn nobody() -> Address {
    Address::named("Anonymous", Uri::at_domain(NOBODY, NOWHERE))
}

/// How a phone of ours sees the caller.
pub(super) fn to_phone(settings: &Settings, caller: &Caller) -> Address {
    if caller.number.is_anonymous() {
        return nobody();
    }
    let from = Uri::at_domain(caller.number.as_str(), &settings.domain);
    match &caller.name {
        Some(name) => Address::named(name.reveal(), from),
        None => Address::new(from),
    }
}

/// How a carrier is told of the caller with that number: From, and what stands beside it. A number that is withheld goes to nobody but
/// a carrier that we trust to withhold it (RFC 3325 §7).
pub(super) fn to_carrier(
    trunk: &Trunk,
    gateway: &Gateway,
    number: &Number,
    presentation: Presentation,
) -> (Address, Vec<headers::Line>) {
    let uri = gateway.uri(Some(&trunk.numbering.write(number)));
    let may_assert = match presentation {
        Presentation::Shown => true,
        Presentation::Withheld => trunk.trusted,
    };
    let asserts = match trunk.identity {
        Identity::From => false,
        Identity::Asserted | Identity::Both => may_assert && !number.is_anonymous(),
    };
    let mut beside = Vec::new();
    if asserts {
        beside.push((Name::PAssertedIdentity.as_str().into(), format!("<{uri}>")));
    }
    if presentation == Presentation::Withheld {
        beside.push((Name::Privacy.as_str().into(), "id".to_owned()));
    }
    let from = match (presentation, trunk.identity) {
        (Presentation::Withheld, _) => nobody(),
        (Presentation::Shown, Identity::Asserted) => {
            let account = gateway.account().map(|account| gateway.uri(Some(account)));
            Address::new(account.unwrap_or(uri))
        }
        (Presentation::Shown, Identity::From | Identity::Both) => Address::new(uri),
    };
    (from, beside)
}
