//! Header names: long and compact form and any case are one name.

/// A header's canonical name; long and compact form and any case are one name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[expect(missing_docs, reason = "each is the header of its name")]
pub enum Name {
    Accept,
    AcceptEncoding,
    AcceptLanguage,
    AlertInfo,
    Allow,
    AllowEvents,
    Authorization,
    AuthenticationInfo,
    CallId,
    CallInfo,
    Contact,
    ContentDisposition,
    ContentEncoding,
    ContentLength,
    ContentType,
    CSeq,
    Date,
    Diversion,
    Event,
    Expires,
    FlowTimer,
    From,
    HistoryInfo,
    InfoPackage,
    MaxForwards,
    MinExpires,
    MinSe,
    PAssertedIdentity,
    PPreferredIdentity,
    Path,
    Privacy,
    ProxyAuthenticate,
    ProxyAuthorization,
    ProxyRequire,
    RAck,
    Reason,
    RecordRoute,
    RecvInfo,
    ReferTo,
    ReferredBy,
    Replaces,
    Require,
    RetryAfter,
    Route,
    RSeq,
    Server,
    ServiceRoute,
    SessionExpires,
    Subject,
    SubscriptionState,
    Supported,
    Timestamp,
    To,
    Unsupported,
    UserAgent,
    Via,
    Warning,
    WwwAuthenticate,
    /// A header that the switch does not know; kept, never acted on.
    Unknown,
}

impl Name {
    /// The canonical long form, as we write it; empty for [`Name::Unknown`].
    pub fn as_str(self) -> &'static str {
        match self {
            Name::Accept => "Accept",
            Name::AcceptEncoding => "Accept-Encoding",
            Name::AcceptLanguage => "Accept-Language",
            Name::AlertInfo => "Alert-Info",
            Name::Allow => "Allow",
            Name::AllowEvents => "Allow-Events",
            Name::Authorization => "Authorization",
            Name::AuthenticationInfo => "Authentication-Info",
            Name::CallId => "Call-ID",
            Name::CallInfo => "Call-Info",
            Name::Contact => "Contact",
            Name::ContentDisposition => "Content-Disposition",
            Name::ContentEncoding => "Content-Encoding",
            Name::ContentLength => "Content-Length",
            Name::ContentType => "Content-Type",
            Name::CSeq => "CSeq",
            Name::Date => "Date",
            Name::Diversion => "Diversion",
            Name::Event => "Event",
            Name::Expires => "Expires",
            Name::FlowTimer => "Flow-Timer",
            Name::From => "From",
            Name::HistoryInfo => "History-Info",
            Name::InfoPackage => "Info-Package",
            Name::MaxForwards => "Max-Forwards",
            Name::MinExpires => "Min-Expires",
            Name::MinSe => "Min-SE",
            Name::PAssertedIdentity => "P-Asserted-Identity",
            Name::PPreferredIdentity => "P-Preferred-Identity",
            Name::Path => "Path",
            Name::Privacy => "Privacy",
            Name::ProxyAuthenticate => "Proxy-Authenticate",
            Name::ProxyAuthorization => "Proxy-Authorization",
            Name::ProxyRequire => "Proxy-Require",
            Name::RAck => "RAck",
            Name::Reason => "Reason",
            Name::RecordRoute => "Record-Route",
            Name::RecvInfo => "Recv-Info",
            Name::ReferTo => "Refer-To",
            Name::ReferredBy => "Referred-By",
            Name::Replaces => "Replaces",
            Name::Require => "Require",
            Name::RetryAfter => "Retry-After",
            Name::Route => "Route",
            Name::RSeq => "RSeq",
            Name::Server => "Server",
            Name::ServiceRoute => "Service-Route",
            Name::SessionExpires => "Session-Expires",
            Name::Subject => "Subject",
            Name::SubscriptionState => "Subscription-State",
            Name::Supported => "Supported",
            Name::Timestamp => "Timestamp",
            Name::To => "To",
            Name::Unsupported => "Unsupported",
            Name::UserAgent => "User-Agent",
            Name::Via => "Via",
            Name::Warning => "Warning",
            Name::WwwAuthenticate => "WWW-Authenticate",
            Name::Unknown => "",
        }
    }

    /// From any form on the wire (compact forms: the IANA registry of SIP header fields).
    pub fn read(name: &[u8]) -> Name {
        let candidates: &[Name] = match name.len() {
            1 => return Name::compact(name[0]),
            2 => &[Name::To],
            3 => &[Name::Via],
            4 => &[Name::From, Name::CSeq, Name::Date, Name::Path, Name::RAck, Name::RSeq],
            5 => &[Name::Route, Name::Allow, Name::Event],
            6 => &[Name::Accept, Name::MinSe, Name::Reason, Name::Server],
            7 => &[
                Name::CallId,
                Name::Contact,
                Name::Expires,
                Name::Privacy,
                Name::Require,
                Name::Subject,
                Name::Warning,
            ],
            8 => &[Name::ReferTo, Name::Replaces],
            9 => {
                &[Name::RecvInfo, Name::Supported, Name::CallInfo, Name::Diversion, Name::Timestamp]
            }
            10 => &[Name::UserAgent, Name::AlertInfo, Name::FlowTimer],
            11 => &[Name::MinExpires, Name::ReferredBy, Name::RetryAfter, Name::Unsupported],
            12 => &[
                Name::MaxForwards,
                Name::ContentType,
                Name::AllowEvents,
                Name::HistoryInfo,
                Name::InfoPackage,
                Name::RecordRoute,
            ],
            13 => &[Name::Authorization, Name::ProxyRequire, Name::ServiceRoute],
            14 => &[Name::ContentLength],
            15 => &[Name::AcceptEncoding, Name::AcceptLanguage, Name::SessionExpires],
            16 => &[Name::ContentEncoding, Name::WwwAuthenticate],
            18 => &[Name::ProxyAuthenticate, Name::SubscriptionState],
            19 => &[
                Name::AuthenticationInfo,
                Name::ContentDisposition,
                Name::PAssertedIdentity,
                Name::ProxyAuthorization,
            ],
            20 => &[Name::PPreferredIdentity],
            _ => &[],
        };
        candidates
            .iter()
            .copied()
            .find(|candidate| candidate.as_str().as_bytes().eq_ignore_ascii_case(name))
            .unwrap_or(Name::Unknown)
    }

    fn compact(letter: u8) -> Name {
        match letter.to_ascii_lowercase() {
            b'b' => Name::ReferredBy,
            b'c' => Name::ContentType,
            b'e' => Name::ContentEncoding,
            b'f' => Name::From,
            b'i' => Name::CallId,
            b'k' => Name::Supported,
            b'l' => Name::ContentLength,
            b'm' => Name::Contact,
            b'o' => Name::Event,
            b'r' => Name::ReferTo,
            b's' => Name::Subject,
            b't' => Name::To,
            b'u' => Name::AllowEvents,
            b'v' => Name::Via,
            b'x' => Name::SessionExpires,
            _ => Name::Unknown,
        }
    }

    /// Whether a second line of it makes the message ambiguous, and is refused (RFC 3261 §7.3.1).
    pub(in crate::wire::sip) fn is_single(self) -> bool {
        matches!(
            self,
            Name::CallId
                | Name::ContentDisposition
                | Name::ContentLength
                | Name::ContentType
                | Name::CSeq
                | Name::Event
                | Name::Expires
                | Name::From
                | Name::MaxForwards
                | Name::MinExpires
                | Name::MinSe
                | Name::RAck
                | Name::ReferTo
                | Name::ReferredBy
                | Name::Replaces
                | Name::RSeq
                | Name::SessionExpires
                | Name::SubscriptionState
                | Name::To
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: &[Name] = &[
        Name::Accept,
        Name::AcceptEncoding,
        Name::AcceptLanguage,
        Name::AlertInfo,
        Name::Allow,
        Name::AllowEvents,
        Name::Authorization,
        Name::AuthenticationInfo,
        Name::CallId,
        Name::CallInfo,
        Name::Contact,
        Name::ContentDisposition,
        Name::ContentEncoding,
        Name::ContentLength,
        Name::ContentType,
        Name::CSeq,
        Name::Date,
        Name::Diversion,
        Name::Event,
        Name::Expires,
        Name::FlowTimer,
        Name::From,
        Name::HistoryInfo,
        Name::InfoPackage,
        Name::MaxForwards,
        Name::MinExpires,
        Name::MinSe,
        Name::PAssertedIdentity,
        Name::PPreferredIdentity,
        Name::Path,
        Name::Privacy,
        Name::ProxyAuthenticate,
        Name::ProxyAuthorization,
        Name::ProxyRequire,
        Name::RAck,
        Name::Reason,
        Name::RecordRoute,
        Name::RecvInfo,
        Name::ReferTo,
        Name::ReferredBy,
        Name::Replaces,
        Name::Require,
        Name::RetryAfter,
        Name::Route,
        Name::RSeq,
        Name::Server,
        Name::ServiceRoute,
        Name::SessionExpires,
        Name::Subject,
        Name::SubscriptionState,
        Name::Supported,
        Name::Timestamp,
        Name::To,
        Name::Unsupported,
        Name::UserAgent,
        Name::Via,
        Name::Warning,
        Name::WwwAuthenticate,
    ];

    #[test]
    fn every_name_is_read_in_any_case() {
        for &name in ALL {
            let text = name.as_str();
            assert_eq!(Name::read(text.as_bytes()), name);
            assert_eq!(Name::read(text.to_ascii_uppercase().as_bytes()), name);
            assert_eq!(Name::read(text.to_ascii_lowercase().as_bytes()), name);
        }
    }

    #[test]
    fn compact_forms_are_the_same_names() {
        for (short, name) in [
            (b"v", Name::Via),
            (b"V", Name::Via),
            (b"i", Name::CallId),
            (b"L", Name::ContentLength),
            (b"m", Name::Contact),
            (b"f", Name::From),
            (b"t", Name::To),
            (b"x", Name::SessionExpires),
            (b"z", Name::Unknown),
        ] {
            assert_eq!(Name::read(short), name);
        }
    }

    #[test]
    fn an_escape_in_a_name_is_no_escape() {
        assert_eq!(Name::read(b"C%6Fntact"), Name::Unknown);
        assert_eq!(Name::read(b""), Name::Unknown);
        assert_eq!(Name::read(b"Contacts"), Name::Unknown);
    }
}
