//! `wproxy reload`

use super::running::{self, Proxy};
use super::shadow;
use crate::app::{RESTART_NEEDED, as_promoted, reload_failed};
use crate::control::{Reload, Request};
use crate::generation::Changes;
use anyhow::bail;
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::ExitCode;

pub(super) fn reload(proxy: &Proxy) -> anyhow::Result<ExitCode> {
    running::print(|out| {
        let mut done = None;
        proxy.ask(&Request::Reload {}, |reload: Reload, line| {
            if proxy.json {
                writeln!(out, "{line}")?;
            }
            done = Some(reload);
            Ok(())
        })?;
        match done {
            Some(Reload {
                generation,
                failure: Some(failure),
                ..
            }) => match proxy.json {
                true => Ok(ExitCode::FAILURE),
                false => bail!("{}\n{failure}", reload_failed(generation)),
            },
            Some(reload) => {
                if !proxy.json {
                    write!(out, "{}", text(&reload))?;
                }
                Ok(ExitCode::SUCCESS)
            }
            None => bail!("no result from the proxy; see its log"),
        }
    })
}

/// What has changed.
fn text(reload: &Reload) -> String {
    let changes = reload.plugins.clone().unwrap_or_default();
    let mut text = changed(reload.generation, &changes);
    if let Some(origin) = &reload.promoted {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "promoted   {}", as_promoted(origin));
    }
    if reload.restart_needed {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{RESTART_NEEDED}");
    }
    if let Some(shadow) = &reload.shadow {
        text.push_str(&shadow::reloaded(shadow));
    }
    text
}

/// What serves now, and what is different in it.
pub(super) fn changed(generation: u64, changes: &Changes) -> String {
    let mut text = format!("generation {generation} serves: {changes}\n");
    let Changes {
        new,
        changed,
        unchanged,
        gone,
    } = changes;
    for (what, names) in [
        ("new", new),
        ("changed", changed),
        ("unchanged", unchanged),
        ("gone", gone),
    ] {
        if !names.is_empty() {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{what:9}  {}", names.join(", "));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::ShadowReload;

    #[test]
    fn what_has_changed_is_shown_by_kind() {
        let names = |names: &[&str]| names.iter().copied().map(str::to_owned).collect();
        let mut reload = Reload {
            generation: 3,
            plugins: Some(Changes {
                new: vec![],
                changed: names(&["access-policy"]),
                unchanged: names(&["cache-rules", "header-scrub"]),
                gone: names(&["quota"]),
            }),
            promoted: None,
            restart_needed: false,
            failure: None,
            shadow: None,
        };
        let expected = "generation 3 serves: 3 plugins, 2 of them unchanged\n\
                        changed    access-policy\n\
                        unchanged  cache-rules, header-scrub\n\
                        gone       quota\n";
        assert_eq!(text(&reload), expected);
        reload.restart_needed = true;
        let expected = format!("{expected}{RESTART_NEEDED}\n");
        assert_eq!(text(&reload), expected);
        for (candidate, plugins, failure, said) in [
            (None, None, None, "the shadow is empty now"),
            (
                Some(2),
                Some(Changes::default()),
                None,
                "candidate 2 is in the shadow: 0 plugins, 0 of them unchanged",
            ),
            (
                Some(1),
                None,
                Some("it is broken"),
                "no new candidate for the shadow, candidate 1 stays:\nit is broken",
            ),
        ] {
            reload.shadow = Some(ShadowReload {
                candidate,
                plugins,
                failure: failure.map(str::to_owned),
            });
            assert_eq!(text(&reload), format!("{expected}{said}\n"));
        }
    }
}
