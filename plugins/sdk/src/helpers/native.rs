//! What stands in for the settings where the logic is tested.

use std::cell::RefCell;

thread_local! {
    /// Until a test names some, there are all.
    static NAMES: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

pub(crate) fn set(names: &[&str]) {
    let names = names.iter().map(|&name| name.to_owned()).collect();
    NAMES.set(Some(names));
}

pub(super) fn find(name: &str) -> Result<(), String> {
    NAMES.with_borrow(|names| match names {
        Some(names) if !names.iter().any(|known| known == name) => {
            let known = names.join(", ");
            Err(format!("there is no helper `{name}`; there are: {known}"))
        }
        _ => Ok(()),
    })
}
