//! The document of a lamp: application/dialog-info+xml, always the full state (RFC 4235 §4).

use std::fmt::Write;

use super::lamp::{Lamp, Line, LineKey, Phase, Side};
use super::xml::Escaped;
use crate::switch::settings::Watch;
use crate::wire::sip::uri::Uri;

/// The event package.
pub(super) const PACKAGE: &str = "dialog";
/// Its documents.
pub(super) const KIND: &str = "application/dialog-info+xml";
/// Dialogs in one document: a datagram has to carry them.
pub(super) const MOST: usize = 8;

/// Of a caller who withholds the number (RFC 3323 §4.1.1.3).
const ANONYMOUS: (&str, &str) = ("anonymous", "anonymous.invalid");

/// The document of what `lamp` shows of `user`, who may be a queue. `over` are dialogs that the subscriber was told of and that are no
/// more: the full state says so by leaving them out, but phones go by a state that is `terminated`.
pub(super) fn document(
    user: &str,
    domain: &str,
    version: u32,
    lamp: &Lamp,
    shows: Watch,
    over: impl Iterator<Item = LineKey>,
) -> String {
    let entity = Uri::at_domain(user, domain);
    let mut text = String::with_capacity(640);
    // Writing to a String cannot fail.
    let _ = write!(
        text,
        "<?xml version=\"1.0\"?>\n<dialog-info xmlns=\"urn:ietf:params:xml:ns:dialog-info\" version=\"{version}\" \
         state=\"full\" entity=\"{}\">\n",
        Escaped(entity.as_str())
    );
    for (key, line) in lamp.lines.iter().take(MOST) {
        dialog(&mut text, &entity, domain, *key, line, shows);
    }
    for (call, leg) in over {
        let _ = writeln!(
            text,
            "<dialog id=\"{call}-{}\">\n<state>terminated</state>\n</dialog>",
            leg.0
        );
    }
    text.push_str("</dialog-info>\n");
    text
}

fn dialog(
    text: &mut String,
    entity: &Uri,
    domain: &str,
    (call, leg): LineKey,
    line: &Line,
    shows: Watch,
) {
    let _ = write!(text, "<dialog id=\"{call}-{}\"", leg.0);
    let whole = shows == Watch::Callers;
    if let Some(dialog) = line.dialog.as_ref().filter(|_| whole) {
        // Seen from the phone: our tag is its remote one (RFC 4235 §4.1.1).
        let _ = write!(text, " call-id=\"{}\"", Escaped(&dialog.call_id));
        if let Some(tag) = &dialog.remote_tag {
            let _ = write!(text, " local-tag=\"{}\"", Escaped(tag));
        }
        let _ = write!(text, " remote-tag=\"{}\"", Escaped(&dialog.local_tag));
    }
    let side = match line.side {
        Side::Initiator => "initiator",
        Side::Recipient => "recipient",
    };
    let state = match line.phase {
        Phase::Trying => "trying",
        Phase::Early => "early",
        Phase::Confirmed | Phase::Held => "confirmed",
    };
    let _ = writeln!(text, " direction=\"{side}\">\n<state>{state}</state>");
    let own = Escaped(entity.as_str());
    let target = match line.phase {
        // RFC 4235 §4.1.6.2, RFC 3840.
        Phase::Held => {
            format!("<target uri=\"{own}\"><param pname=\"+sip.rendering\" pval=\"no\"/></target>")
        }
        Phase::Trying | Phase::Early | Phase::Confirmed => format!("<target uri=\"{own}\"/>"),
    };
    let _ = writeln!(text, "<local><identity>{own}</identity>{target}</local>");
    if whole {
        let other = match &line.number {
            Some(number) => Uri::at_domain(number.reveal(), domain),
            None => Uri::at_domain(ANONYMOUS.0, ANONYMOUS.1),
        };
        let other = Escaped(other.as_str());
        text.push_str("<remote><identity");
        if let Some(name) = &line.name {
            let _ = write!(text, " display=\"{}\"", Escaped(name.reveal()));
        }
        let _ = writeln!(text, ">{other}</identity><target uri=\"{other}\"/></remote>");
    }
    text.push_str("</dialog>\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::switch::call::LegId;
    use crate::switch::journal::CallId;
    use crate::wire::sip::dialog::DialogId;

    fn lamp(lines: impl IntoIterator<Item = Line>) -> Lamp {
        let keys = (1..).map(|call| (CallId(call), LegId(1)));
        Lamp { lines: keys.zip(lines).collect(), ..Lamp::default() }
    }

    fn called(phase: Phase, name: &str) -> Line {
        let dialog = DialogId {
            call_id: "a84b<4c7".into(),
            local_tag: "us".into(),
            remote_tag: Some("them".into()),
        };
        Line::new(phase, Side::Recipient, Some(dialog), Some("+4930555010"), Some(name))
    }

    fn written(lamp: &Lamp, shows: Watch) -> String {
        document("201", "office.example", 3, lamp, shows, std::iter::empty())
    }

    #[test]
    fn a_call_is_shown_whole_to_those_who_may_see_callers() {
        insta::assert_snapshot!(
            written(&lamp([called(Phase::Early, "<Bob> \"&\" 'Sons'")]), Watch::Callers),
            @r#"
            <?xml version="1.0"?>
            <dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info" version="3" state="full" entity="sip:201@office.example">
            <dialog id="000000000001-1" call-id="a84b&lt;4c7" local-tag="them" remote-tag="us" direction="recipient">
            <state>early</state>
            <local><identity>sip:201@office.example</identity><target uri="sip:201@office.example"/></local>
            <remote><identity display="&lt;Bob&gt; &quot;&amp;&quot; &apos;Sons&apos;">sip:+4930555010@office.example</identity><target uri="sip:+4930555010@office.example"/></remote>
            </dialog>
            </dialog-info>
            "#
        );
    }

    #[test]
    fn others_see_that_it_rings_and_not_for_whom() {
        let lamp = lamp([called(Phase::Confirmed, "Bob")]);
        insta::assert_snapshot!(written(&lamp, Watch::State), @r#"
        <?xml version="1.0"?>
        <dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info" version="3" state="full" entity="sip:201@office.example">
        <dialog id="000000000001-1" direction="recipient">
        <state>confirmed</state>
        <local><identity>sip:201@office.example</identity><target uri="sip:201@office.example"/></local>
        </dialog>
        </dialog-info>
        "#);
    }

    #[test]
    fn one_who_withholds_the_number_is_nobody() {
        let line = Line::new(Phase::Trying, Side::Initiator, None, None, None);
        let text = written(&lamp([line]), Watch::Callers);
        assert!(text.contains("<identity>sip:anonymous@anonymous.invalid</identity>"), "{text}");
        assert!(!text.contains("display") && !text.contains("call-id"), "{text}");
    }

    #[test]
    fn a_held_call_is_one_that_is_not_rendered() {
        let text = written(&lamp([called(Phase::Held, "Bob")]), Watch::State);
        assert!(text.contains("<state>confirmed</state>"), "{text}");
        assert!(text.contains("<param pname=\"+sip.rendering\" pval=\"no\"/>"), "{text}");
    }

    #[test]
    fn a_lamp_that_is_dark_says_what_went_out() {
        let over = [(CallId(1), LegId(2))];
        let text = document("201", "office.example", 4, &lamp([]), Watch::State, over.into_iter());
        insta::assert_snapshot!(text, @r#"
        <?xml version="1.0"?>
        <dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info" version="4" state="full" entity="sip:201@office.example">
        <dialog id="000000000001-2">
        <state>terminated</state>
        </dialog>
        </dialog-info>
        "#);
    }

    #[test]
    fn a_document_has_a_bound() {
        let line = called(Phase::Confirmed, &"<".repeat(1_000));
        let text = written(&lamp(std::iter::repeat_n(line, 1_000)), Watch::Callers);
        assert!(text.len() < 8_000, "{} bytes", text.len());
        assert_eq!(text.matches("<dialog ").count(), MOST);
    }
}
