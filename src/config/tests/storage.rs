//! The room for recordings.

use super::*;
use crate::switch::settings::WhenFull;

#[test]
fn the_room_for_recordings_is_set_and_its_mistakes_are_named() {
    let switch =
        |storage: &str| format!("domain = \"pbx.example\"\ncountry = \"DE\"\nstorage = {storage}");
    let usual = loaded(&[]).settings.storage;
    assert_eq!((usual.quota, usual.low, usual.when_full), (None, 10, WhenFull::Continue));
    let set = "{ quota = \"500GiB\", low = \"5%\", when_full = \"hang_up\" }";
    let set = loaded(&[("switch.toml", &switch(set))]).settings.storage;
    assert_eq!((set.quota, set.low, set.when_full), (Some(500 << 30), 5, WhenFull::HangUp));
    let wrong = "{ quota = \"much\", low = \"100%\", when_full = \"block\", qota = \"x\" }";
    assert_eq!(
        errors(&[("switch.toml", &switch(wrong))]),
        [
            "switch.toml:3: `storage.low` is what is left in percent, such as `10%`, not `100%`",
            "switch.toml:3: `storage.quota` is a size such as `500GiB` or `2TB` (units: MB, GB, TB, MiB, GiB, TiB), not `much`",
            "switch.toml:3: `storage.when_full` is one of `continue`, `refuse`, `hang_up`, not `block`",
            "switch.toml:3: unknown key `storage.qota`; did you mean `quota`?",
        ]
    );
}
