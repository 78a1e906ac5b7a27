//! `wproxy run`

use super::{Prepared, Sources};
use crate::app::App;
use crate::cache::Cache;
use crate::config::{Chain, DEFAULT_PATH, Overrides};
use crate::plugin::THREAD_STACK;
use crate::shadow::Candidate;
use crate::signals::Signals;
use crate::watch::Watch;
use crate::{control, listen};
use std::path::Path;
use std::process::ExitCode;

pub(super) fn run(
    sources: Sources,
    listen: Vec<String>,
    watch: bool,
    shadow: Chain,
) -> anyhow::Result<ExitCode> {
    // For signals and what they order; the workers have a runtime of their own.
    let control = tokio::runtime::Builder::new_current_thread()
        .thread_stack_size(THREAD_STACK)
        .enable_all()
        .build()?;
    let signals = control.block_on(async { Signals::catch() })?;
    // Before anything is read: what changes meanwhile is a change.
    let watch = watch.then(|| {
        let usual = Path::new(DEFAULT_PATH);
        let settings = sources.config.as_deref();
        Watch::start(
            sources.plugins.as_deref(),
            settings.or_else(|| usual.exists().then_some(usual)),
            &shadow,
        )
    });
    let Some(prepared) = control.block_on(prepare(sources, listen, shadow))? else {
        tracing::info!("stopped before anything was served");
        control.shutdown_background();
        return Ok(ExitCode::SUCCESS);
    };
    let (prepared, candidate) = prepared;
    let Prepared {
        configuration,
        upstreams,
        generation,
        reloader,
    } = prepared;
    let watch = watch.transpose()?;
    if let Err(error) = listen::raise_file_limit() {
        tracing::warn!("{error:#}");
    }
    let settings = configuration.settings;
    let names: Vec<&str> = generation
        .plugins()
        .iter()
        .map(|plugin| plugin.name())
        .collect();
    let from = match &configuration.file {
        Some(file) => format!("settings from {file}"),
        None => "the documented settings".to_owned(),
    };
    tracing::info!(
        "wproxy {}: {from}; plugins {}",
        env!("CARGO_PKG_VERSION"),
        names.join(", ")
    );
    // All is known to be good: now sockets, the cache's folder and the access log are touched. The
    // control socket comes first: another proxy with these settings has it.
    let socket = control::bind(&settings.control_socket)?;
    let cache = Cache::open(&settings)?;
    let app = App::new(settings.clone(), upstreams, cache, generation, reloader)?;
    if let Some(candidate) = candidate {
        let live = app.generation();
        app.shadow
            .begin(&app.readers, candidate, &configuration.shadow.bounds, &live)?;
    }
    let listeners = listen::bind(&settings.http_port)?;
    app.run(control, socket, listeners, signals, watch)?;
    Ok(ExitCode::SUCCESS)
}

/// Prepares, unless it is told to stop meanwhile: a registry that a component comes from can be slow.
async fn prepare(
    sources: Sources,
    listen: Vec<String>,
    shadow: Chain,
) -> anyhow::Result<Option<(Prepared, Option<Candidate>)>> {
    // Others than those that are obeyed later: a SIGHUP is not to be lost.
    let mut signals = Signals::catch()?;
    let prepared = tokio::task::spawn_blocking(move || {
        let prepared = sources.prepare_with(Overrides {
            listen,
            shadow,
            ..Overrides::default()
        })?;
        let candidate = prepared.candidate()?;
        Ok(Some((prepared, candidate)))
    });
    tokio::select! {
        prepared = prepared => prepared?,
        () = signals.stop() => Ok(None),
    }
}
