//! What carriers and people write, and what it means.

use proptest::prelude::*;

use super::*;

fn german(format: Format) -> Numbering {
    Numbering { country: Country::parse("DE"), format, prefix: String::new() }
}

fn e164(text: &str) -> Number {
    Number::E164(text.into())
}

fn of(uri: &str) -> Option<String> {
    said(&Uri::parse(uri).expect("a URI"))
}

#[test]
fn a_number_has_one_form_however_it_is_dialled() {
    let germany = german(Format::National);
    for text in ["+4930555010", "030555010", "004930555010", "+49030555010"] {
        assert_eq!(germany.read(text), e164("+4930555010"), "{text}");
    }
    assert_eq!(germany.read("0033142685300"), e164("+33142685300"));
    for short in ["115", "116117", "11833"] {
        assert_eq!(germany.read(short), Number::Service(short.into()));
    }
    // Without an area it is a neighbour's, and nobody knows whose.
    assert_eq!(germany.read("5550100"), Number::Plain("5550100".into()));
    for name in ["support", "*97", "+", "+49x", "+1234567890123456"] {
        assert_eq!(germany.read(name), Number::Plain(name.into()));
    }
}

#[test]
fn a_country_without_a_national_prefix_dials_whole_numbers() {
    let of = |country| Numbering::of(Country::parse(country));
    assert_eq!(of("DK").read("32123456"), e164("+4532123456"));
    assert_eq!(of("US").read("6502530000"), e164("+16502530000"));
    assert_eq!(of("US").read("16502530000"), e164("+16502530000"));
    assert_eq!(of("US").read("01133142685300"), e164("+33142685300"));
    // In Italy the nought belongs to the number.
    assert_eq!(of("IT").read("0236618300"), e164("+390236618300"));
}

#[test]
fn without_a_country_only_the_plus_is_known() {
    let nowhere = Numbering::default();
    assert_eq!(nowhere.read("+4930555010"), e164("+4930555010"));
    assert_eq!(nowhere.read("030555010"), Number::Plain("030555010".into()));
    assert_eq!(nowhere.read("112"), Number::Plain("112".into()));
}

#[test]
fn what_a_carrier_writes_without_a_plus_reads_back() {
    for (format, texts) in [
        (Format::E164, ["+4930555010", "+33142685300"]),
        (Format::National, ["030555010", "0033142685300"]),
        (Format::Plain, ["4930555010", "33142685300"]),
    ] {
        let carrier = german(format);
        for (text, number) in texts.iter().zip(["+4930555010", "+33142685300"]) {
            assert_eq!(carrier.write(&e164(number)), *text);
            assert_eq!(carrier.read(text), e164(number), "{text}");
        }
    }
}

#[test]
fn a_prefix_stands_before_numbers_and_not_before_an_emergency() {
    let carrier = Numbering { prefix: "7777".into(), ..german(Format::Plain) };
    assert_eq!(carrier.write(&e164("+4930555010")), "77774930555010");
    assert_eq!(carrier.write(&Number::Emergency("112".into())), "112");
}

#[test]
fn a_withheld_number_is_a_value_of_its_own() {
    for text in ["anonymous", "Anonymous", "unavailable", ""] {
        assert_eq!(german(Format::E164).read(text), Number::Anonymous);
    }
    assert_eq!(format!("{:?}", e164("+4930555010")), "international(***)");
}

#[test]
fn a_uri_names_a_number_with_separators_and_context() {
    for uri in [
        "tel:+49-30-555-010",
        "tel:+49(30)555.010",
        "tel:555-010;phone-context=+49-30",
        "sip:+49-30-555010@carrier.example;user=phone",
        "sip:555010;phone-context=+49-30@carrier.example",
    ] {
        assert_eq!(of(uri).as_deref(), Some("+4930555010"), "{uri}");
    }
    assert_eq!(of("tel:201;phone-context=office.example").as_deref(), Some("201"));
    assert_eq!(of("sip:john.doe@example.com").as_deref(), Some("john.doe"));
    assert_eq!(of("sip:example.com"), None);
    assert_eq!(of(&format!("sip:{}@example.com", "1".repeat(65))), None);
}

#[test]
fn a_number_leads_to_a_country_at_a_rate() {
    let place = |number: &str| e164(number).place().expect("a place");
    let of = |number: &str| place(number).country.map(|country| country.to_string());
    assert_eq!(of("+4930555010").as_deref(), Some("DE"));
    assert_eq!(of("+37167222555").as_deref(), Some("LV"));
    assert_eq!(of("+18765230000").as_deref(), Some("JM"));
    // Satellites, international networks and premium rate are nobody's.
    for number in ["+881612345678", "+882101234567", "+979123456789", "+999123456"] {
        assert_eq!(of(number), None, "{number}");
    }
    // Too short, of a range that is gone, or of none: nobody can say that it is cheap.
    for premium in [
        "+499001123456",
        "+491805123456",
        "+491371123456",
        "+19002345678",
        "+49900123456",
        "+49190123456",
        "+4913781234",
        "+497001234567",
        "+4900",
    ] {
        assert_eq!(place(premium).rate, Rate::Premium, "{premium}");
    }
    for usual in ["+4930555010", "+4915112345678", "+498001234567"] {
        assert_eq!(place(usual).rate, Rate::Usual, "{usual}");
    }
}

#[test]
fn digits_too_many_hide_neither_price_nor_country() {
    let place = |number: &str| e164(number).place().expect("a place");
    assert_eq!(place("+49900112345678").rate, Rate::Premium);
    assert_eq!(place("+187652300001").country, Country::parse("JM"));
}

#[test]
fn a_country_is_two_letters_with_a_plan() {
    assert_eq!(Country::parse("DE").map(|country| country.to_string()).as_deref(), Some("DE"));
    for none in ["de", "XX", "001", "", "DEU", "ZZ", "é"] {
        assert_eq!(Country::parse(none), None, "{none}");
    }
}

proptest! {
    #[test]
    fn whatever_is_said_is_read_in_bounds(text in "\\PC{0,200}", digits in "[+0-9]{0,80}") {
        for country in ["DE", "US", "IT"] {
            for format in [Format::E164, Format::National, Format::Plain] {
                let rules = Numbering { country: Country::parse(country), format, prefix: String::new() };
                for text in [&text, &digits] {
                    let number = rules.read(text);
                    prop_assert!(number.as_str().len() <= 4 * LONGEST);
                    prop_assert!(rules.write(&number).len() <= 4 * LONGEST);
                    number.place();
                }
            }
        }
        if let Ok(uri) = Uri::parse(&format!("sip:{digits}@example.com")) {
            prop_assert!(said(&uri).is_none_or(|said| said.len() <= LONGEST));
        }
    }

    #[test]
    fn an_international_number_is_its_own_form(digits in "[1-9][0-9]{6,14}") {
        let germany = german(Format::E164);
        let once = germany.read(&format!("+{digits}"));
        prop_assert_eq!(germany.read(once.as_str()), once);
    }
}
