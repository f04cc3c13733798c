//! `[gateway]` in a file of `trunks/`: one SIP address of a carrier, and what goes with it.

use std::net::SocketAddr;
use std::time::Duration;

use super::file::{At, Section, Shape};
use super::folder::Folder;
use super::listeners::meets;
use super::{address, name};
use crate::redacted::Redacted;
use crate::switch::number::Numbering;
use crate::switch::settings::{Credentials, Gateway, Listener, Register};
use crate::wire::address::is_host;
use crate::wire::flow::Transport;
use crate::wire::sip::locating::Place;
use crate::wire::sip::uri::Host;

const SECOND: Duration = Duration::from_secs(1);

/// Reads one.
pub(super) fn read(
    mut section: Section<'_>,
    folder: &Folder<'_>,
    listeners: &[Listener],
    numbering: &Numbering,
) -> Option<Gateway> {
    let words = Transport::ALL.map(|transport| (transport.word(), transport));
    let transport = section.word("transport", &words).map(|at| at.value);
    if section.line_of("address").is_none() {
        section.missing("address", "where calls out go, such as \"192.0.2.9:5060\"");
    }
    let numeric = transport.unwrap_or(Transport::Udp);
    let address = section.parsed("address", |text| {
        let (host, port) = address::place(text, numeric.default_port())?;
        let is_one = host.address().is_none_or(is_host);
        if !is_one || port == Some(0) {
            return Err("is the address of one host, with a port that is not 0".to_owned());
        }
        Ok((host, port))
    });
    if let Some(At { value: (Host::Address(address), Some(port)), line }) = &address {
        reachable(&section, SocketAddr::new(*address, *port), numeric, *line, listeners);
    }
    let domain = section.parsed("domain", name::domain).map(|at| at.value);
    let credentials = credentials(&mut section, folder);
    let caller_id = section.parsed("caller_id", name::number);
    let timeout = section.duration("timeout", SECOND / 2..=32 * SECOND);
    let weight = section.count("weight", 1..=1_000);
    let weight = weight.and_then(|weight| u16::try_from(weight.value).ok());
    let health = section.duration("health", 5 * SECOND..=3_600 * SECOND).map(|at| at.value);
    let register = register(&mut section, credentials.as_ref());
    section.end();
    let (host, port) = address?.value;
    Some(Gateway {
        place: Place { host, port, transport },
        domain,
        weight,
        credentials,
        caller_id: caller_id.map(|at| Numbering::of(numbering.country).read(&at.value)),
        timeout: timeout.map_or(3 * SECOND, |at| at.value),
        health,
        register,
    })
}

/// An address that is not ourselves, and that some listener can reach.
fn reachable(
    section: &Section<'_>,
    address: SocketAddr,
    transport: Transport,
    line: u32,
    listeners: &[Listener],
) {
    let ours = |listener: &&Listener| {
        listener.transport == transport
            && (meets(listener.bind, address) || listener.advertise == address)
            && listener.bind.is_ipv4() == address.is_ipv4()
    };
    let reachable = |listener: &Listener| {
        listener.transport == transport && listener.bind.is_ipv4() == address.is_ipv4()
    };
    // A wildcard listener is at every address of this machine, of which only loopback is known here.
    let foreign = |listener: &Listener| {
        listener.bind.ip().is_unspecified()
            && !address.ip().is_loopback()
            && listener.advertise != address
    };
    if listeners.iter().filter(ours).any(|listener| !foreign(listener)) {
        section.wrong(line, "`gateway.address` is an address of this switch: calls would loop");
    } else if !listeners.is_empty() && !listeners.iter().any(reachable) {
        let word = transport.word();
        let family = if address.is_ipv4() { "IPv4" } else { "IPv6" };
        let what = format!("no address of external.toml has {word} over {family}");
        section.wrong(line, format!("{what}, so this gateway cannot be reached"));
    }
}

/// `register`, and what it needs.
fn register(section: &mut Section<'_>, credentials: Option<&Credentials>) -> Option<Register> {
    let wanted = section.flag("register");
    let account = section.parsed("account", |text| match text {
        "" => Err("is the user part of the address that is registered".to_owned()),
        text if text.len() > 64 || text.contains(|c: char| c.is_control() || c == ' ') => {
            Err("is the user part of the address that is registered".to_owned())
        }
        text => Ok(text.to_owned()),
    });
    let expires = section.duration("expires", 60 * SECOND..=24 * 3_600 * SECOND);
    let at = wanted.filter(|at| at.value);
    if at.is_none() {
        let stray = [
            (account.as_ref().map(|at| at.line), "account"),
            (expires.map(|at| at.line), "expires"),
        ];
        for (line, key) in stray {
            if let Some(line) = line {
                section.wrong(line, format!("`gateway.{key}` needs `register = true`"));
            }
        }
        return None;
    }
    let user = account.map(|at| at.value).or(credentials.map(|known_by| known_by.user.clone()));
    if user.is_none() {
        let what = "`gateway.register` needs `user` and `password`, or at least `account`";
        section.wrong(at?.line, what);
    }
    Some(Register {
        user: Redacted::new(user?),
        expires: expires.map_or(600 * SECOND, |at| at.value),
    })
}

fn credentials(section: &mut Section<'_>, folder: &Folder<'_>) -> Option<Credentials> {
    let user = section.parsed("user", |text| match text {
        "" => Err("is the name the carrier gave".to_owned()),
        text if text.contains(char::is_control) => Err("has no control characters".to_owned()),
        text => Ok(text.to_owned()),
    });
    let password_line = section.line_of("password");
    let password = match section.shape("password") {
        Some(Shape::Word(at)) => {
            let what = "`gateway.password` does not stand here but in a file of its own, mode 0600";
            section.wrong(at.line, format!("{what}: {{ file = \"secrets/{}\" }}", stem(section)));
            None
        }
        Some(Shape::Section(mut by_file)) => {
            if by_file.line_of("file").is_none() {
                by_file.missing("file", "the file that holds the password");
            }
            let secret = by_file.parsed("file", |path| folder.secret(path).map(str::to_owned));
            by_file.end();
            secret
        }
        None => None,
    };
    let realm = section.text("realm");
    match (&user, password_line) {
        (Some(at), None) => section.wrong(at.line, "`gateway.user` has no `gateway.password`"),
        (None, Some(line)) => section.wrong(line, "`gateway.password` has no `gateway.user`"),
        _ => {}
    }
    if let (Some(realm), None) = (&realm, password_line) {
        section.wrong(realm.line, "`gateway.realm` has no `gateway.password`");
    }
    Some(Credentials {
        user: user?.value,
        password: Redacted::new(password?.value),
        realm: realm.map(|at| at.value),
    })
}

fn stem<'d>(section: &Section<'d>) -> &'d str {
    let path = section.path();
    let file = path.rsplit_once('/').map_or(path, |(_, file)| file);
    file.strip_suffix(".toml").unwrap_or(file)
}
