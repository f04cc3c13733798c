//! Countries and their numbering plans, as libphonenumber's public metadata has them. Home of `rlibphonenumber`, which is only ever
//! shown a `+` and digits, never what came from the network.

use std::fmt;
use std::sync::OnceLock;

use rlibphonenumber::{
    CountryCodeSource, PHONE_NUMBER_UTIL, PhoneNumber, PhoneNumberFormat, PhoneNumberType, Region,
    get_national_significant_number_owned,
};

/// The longest national number, international prefix included, that is worth a look: 15 digits (E.164 §6.2.1) and up to 4 before.
const LONGEST: usize = 20;
/// So many digits too many are dialled in vain at most: exchanges ignore them, so they must not hide what a number costs.
const OVERDIALLED: usize = 8;
/// The country code of the North American numbering plan.
const NORTH_AMERICA: i32 = 1;

/// What is dialled before a national number, by the letters of the country: metadata has it in examples alone.
static NATIONAL_PREFIXES: [OnceLock<Option<String>>; 26 * 26] =
    [const { OnceLock::new() }; 26 * 26];

/// A country with a numbering plan: ISO 3166-1, two letters.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Country(Region);

/// Where a number of E.164 leads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    /// `None`: no country's, or nobody's.
    pub country: Option<Country>,
    /// What a call costs.
    pub rate: Rate,
}

/// What a call to a number costs, roughly.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rate {
    /// A subscriber's, or free.
    Usual,
    /// More than to a subscriber: premium rate, shared cost, personal numbers and pagers, and what metadata does not know.
    Premium,
}

/// How somebody writes numbers that do not begin with `+`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Written {
    /// With the prefixes that are dialled in the country.
    AsDialled,
    /// The same, or without any prefix, beginning with a country code.
    WithCode,
}

impl Country {
    /// By its two capital letters; `None` if there is none, or it has no numbering plan.
    pub fn parse(code: &str) -> Option<Country> {
        let shape = code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_uppercase());
        let region = Region::from_code(code).ok().filter(|_| shape)?;
        PHONE_NUMBER_UTIL.get_country_code_for_region(region).map(|_| Country(region))
    }

    /// A number there, in E.164.
    fn example(self) -> Option<String> {
        PHONE_NUMBER_UTIL.get_example_number(self.0).map(|number| e164(&number)).ok()
    }

    /// The numbers of its emergency services; 112, which mobile phones know everywhere, where none are listed here.
    pub fn emergency_numbers(self) -> &'static [&'static str] {
        match self.to_string().as_str() {
            "DE" => &["110", "112"],
            "AT" => &["112", "122", "133", "144"],
            "CH" | "LI" => &["112", "117", "118", "144"],
            "FR" => &["15", "17", "18", "112", "114"],
            "GB" | "IE" => &["112", "999"],
            "IT" => &["112", "113", "115", "118"],
            "PL" => &["112", "997", "998", "999"],
            "CZ" | "SK" => &["112", "150", "155", "158"],
            "US" | "CA" => &["911"],
            "AU" => &["000", "112"],
            "NZ" => &["111"],
            _ => &["112"],
        }
    }

    /// What `digits` mean in this country, in E.164.
    pub(super) fn international(self, digits: &str, written: Written) -> Option<String> {
        if digits.len() > LONGEST {
            return None;
        }
        let number = PHONE_NUMBER_UTIL.parse_and_keep_raw_input(digits, Some(self.0)).ok()?;
        let meant = match number.country_code_source() {
            CountryCodeSource::FromDefaultCountry => self.begins_nationally(digits, &number),
            // In North America the code is dialled before national numbers.
            CountryCodeSource::FromNumberWithoutPlusSign => {
                written == Written::WithCode || number.country_code == NORTH_AMERICA
            }
            CountryCodeSource::FromNumberWithPlusSign | CountryCodeSource::FromNumberWithIdd => {
                true
            }
            CountryCodeSource::Unspecified => false,
        };
        meant.then(|| e164(&number))
    }

    /// Whether this is dialled from anywhere in the country: where national numbers have a prefix, one without it is a neighbour's.
    fn begins_nationally(self, digits: &str, number: &PhoneNumber) -> bool {
        match self.national_prefix() {
            Some(prefix) => digits.starts_with(prefix),
            None => PHONE_NUMBER_UTIL.is_valid_number(number),
        }
    }

    /// What is dialled before a national number (`0`), if anything.
    fn national_prefix(self) -> Option<&'static str> {
        let place = self
            .to_string()
            .bytes()
            .fold(0, |place, letter| 26 * place + usize::from(letter.saturating_sub(b'A')));
        NATIONAL_PREFIXES.get(place)?.get_or_init(|| self.prefix_of_example()).as_deref()
    }

    fn prefix_of_example(self) -> Option<String> {
        let example = PHONE_NUMBER_UTIL.get_example_number(self.0).ok()?;
        let number = get_national_significant_number_owned(&example);
        let written = PHONE_NUMBER_UTIL.format(&example, PhoneNumberFormat::National);
        let digits: String = written.chars().filter(char::is_ascii_digit).collect();
        digits.strip_suffix(&number).filter(|prefix| !prefix.is_empty()).map(str::to_owned)
    }

    /// `number` as it is dialled in this country.
    pub(super) fn dialled(self, number: &str) -> Option<String> {
        let number = PHONE_NUMBER_UTIL.parse(number, None).ok()?;
        let written = match PHONE_NUMBER_UTIL.get_country_code_for_region(self.0) {
            Some(code) if code == number.country_code => {
                PHONE_NUMBER_UTIL.format(&number, PhoneNumberFormat::National).into_owned()
            }
            _ => {
                PHONE_NUMBER_UTIL.format_out_of_country_calling_number(&number, self.0).into_owned()
            }
        };
        Some(written.chars().filter(|c| c.is_ascii_digit() || *c == '+').collect())
    }
}

/// `+` and digits in their one form: without a national prefix that was put behind the country code. `None` for a number that no
/// plan has, which stays as it is.
pub(super) fn plain(text: &str) -> Option<String> {
    let number = PHONE_NUMBER_UTIL.parse(text, None).ok()?;
    PHONE_NUMBER_UTIL.is_valid_number(&number).then(|| e164(&number))
}

fn e164(number: &PhoneNumber) -> String {
    PHONE_NUMBER_UTIL.format(number, PhoneNumberFormat::E164).into_owned()
}

/// The first number costs hundreds of times what the next one does, since metadata is read and patterns are compiled then, some of them
/// for each country: that is better had at the start than in a call. `country` is the one whose numbers will come most.
pub fn rehearse(country: Option<Country>) {
    let example = country.unwrap_or(Country(Region::DE)).example();
    let dialled = country.zip(example.as_deref()).and_then(|(at, number)| at.dialled(number));
    let read = country.zip(dialled).and_then(|(at, it)| at.international(&it, Written::AsDialled));
    // What they are is no matter.
    let _ = read.or(example).and_then(|number| plain(&number)).map(|number| place(&number));
}

/// Where `number`, which begins with `+`, leads.
pub(super) fn place(number: &str) -> Place {
    let of = |text: &str| {
        let parsed = PHONE_NUMBER_UTIL.parse(text, None).ok()?;
        let kind = PHONE_NUMBER_UTIL.get_number_type(&parsed);
        Some((PHONE_NUMBER_UTIL.get_region_for_number(&parsed), parsed.country_code, kind))
    };
    let Some((mut region, code, kind)) = of(number) else {
        return Place { country: None, rate: Rate::Premium };
    };
    let mut rates = vec![rate(kind)];
    if kind == PhoneNumberType::Unknown {
        let shorter = (1..=OVERDIALLED).filter_map(|more| {
            let end = number.len().checked_sub(more)?;
            number.get(..end).and_then(of)
        });
        for (meant, _, kind) in shorter {
            region = region.or(meant);
            rates.push(self::rate(kind));
        }
    }
    // What nobody can tell the price of is not taken for cheap.
    let mut known = rates.into_iter().flatten();
    let rate = match known.next() {
        Some(Rate::Usual) if known.all(|rate| rate == Rate::Usual) => Rate::Usual,
        Some(Rate::Usual | Rate::Premium) | None => Rate::Premium,
    };
    // A number that metadata does not know yet is the country's whose code nobody shares.
    let alone = PHONE_NUMBER_UTIL
        .get_regions_for_country_calling_code(code)
        .filter(|regions| regions.len() == 1)
        .and_then(|mut regions| regions.next());
    let country = region.or(alone).filter(|region| *region != Region::World).map(Country);
    Place { country, rate }
}

/// `None`: metadata knows no such number.
fn rate(kind: PhoneNumberType) -> Option<Rate> {
    Some(match kind {
        PhoneNumberType::PremiumRate
        | PhoneNumberType::SharedCost
        | PhoneNumberType::PersonalNumber
        | PhoneNumberType::Pager => Rate::Premium,
        PhoneNumberType::FixedLine
        | PhoneNumberType::Mobile
        | PhoneNumberType::FixedLineOrMobile
        | PhoneNumberType::TollFree
        | PhoneNumberType::VoIP
        | PhoneNumberType::UAN
        | PhoneNumberType::VoiceMail => Rate::Usual,
        PhoneNumberType::Unknown => return None,
    })
}

/// Two letters.
impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.as_region_str())
    }
}

impl fmt::Debug for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
