//! `--watch`: what an author or operator saves is swapped in at once.
//!
//! A file counts as changed when whoever wrote it has closed it, or when it was moved into its
//! place: what is half written is never read. Editors and compilers touch several files at a time,
//! and so it is quiet for a moment before anything happens.

mod changes;

use crate::config::{Chain, Configuration, Overrides, SetFile};
use crate::plugin::Manifest;
use anyhow::Context as _;
use changes::Changes;
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher as _};
use std::collections::BTreeSet;
use std::future::pending;
use std::path::{Path, PathBuf};
use std::time::Instant;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// Watches the files that a generation is made of.
#[derive(Debug)]
pub struct Watch {
    watcher: RecommendedWatcher,
    events: UnboundedReceiver<notify::Result<Event>>,
    changes: Changes,
    /// Of plugins, where the command line names it.
    folder: Option<PathBuf>,
    settings: Option<PathBuf>,
    /// What is tried, where the command line names it.
    shadow: Chain,
}

// === impl Watch ===

impl Watch {
    /// Watches a folder of plugins and a file of settings, and what is tried beside them.
    ///
    /// # Errors
    /// There is nothing to watch, or the system cannot.
    pub fn start(
        folder: Option<&Path>,
        settings: Option<&Path>,
        shadow: &Chain,
    ) -> anyhow::Result<Watch> {
        anyhow::ensure!(
            folder.is_some() || settings.is_some() || !shadow.is_own(),
            "there is nothing to watch: --watch is for the folder that --plugins names and the file \
             that --config names"
        );
        let (sender, events) = unbounded_channel();
        let watcher = notify::recommended_watcher(move |event| {
            // Nobody listens any more: the proxy ends.
            let _ = sender.send(event);
        });
        let mut watch = Watch {
            watcher: watcher.context("files cannot be watched")?,
            events,
            changes: Changes::default(),
            folder: folder.map(absolute).transpose()?,
            settings: settings.map(absolute).transpose()?,
            shadow: shadow.clone(),
        };
        watch.look()?;
        Ok(watch)
    }

    /// Waits for a change; says what has changed.
    pub async fn changed(&mut self) -> String {
        loop {
            let quiet = self.changes.quiet_at();
            let event = tokio::select! {
                event = self.events.recv() => event,
                () = until(quiet) => None,
            };
            match event {
                Some(Ok(event)) => self.changes.see(&event, Instant::now()),
                Some(Err(error)) => tracing::warn!("--watch may have missed a change: {error}"),
                None => {
                    // A folder that is new has to be watched itself.
                    if let Err(error) = self.look() {
                        tracing::warn!("{error:#}");
                    }
                    return self.changes.take();
                }
            }
        }
    }

    /// Finds out which files matter as things stand, and watches the folders that they are in: a
    /// file that is replaced is another one, its folder is the same.
    fn look(&mut self) -> anyhow::Result<()> {
        let mut files: BTreeSet<PathBuf> = self.settings.iter().cloned().collect();
        let (mut folder, mut shadow) = (self.folder.clone(), self.shadow.clone());
        if let Some(configuration) = configuration(self.settings.as_deref()) {
            files.extend(paths(&configuration.sets));
            shadow = shadow.or(configuration.shadow.candidate);
            folder = folder.or(configuration.plugin_dir);
        }
        let folder = folder.as_deref().map(absolute).transpose()?;
        // What comes and goes there, or is written, matters whatever its name.
        let mut folders: BTreeSet<PathBuf> = folder.iter().cloned().collect();
        let Chain { plugins, config } = shadow;
        if let Some(configuration) = configuration(config.as_deref()) {
            files.extend(paths(&configuration.sets));
        }
        files.extend(config.as_deref().map(absolute).transpose()?);
        let tried = plugins.as_deref().map(absolute).transpose()?;
        folders.extend(tried.clone());
        for folder in folder.iter().chain(&tried) {
            let entries = match std::fs::read_dir(folder) {
                Ok(entries) => entries,
                // What is tried or stands in the settings is the reload's to complain about.
                Err(_) if self.folder.as_ref() != Some(folder) => continue,
                Err(error) => {
                    let error = anyhow::Error::from(error);
                    return Err(error.context(format!("cannot watch {}", folder.display())));
                }
            };
            for plugin in entries.flatten().map(|entry| entry.path()) {
                if !plugin.is_dir() {
                    continue;
                }
                // A manifest that cannot be read is the reload's to complain about.
                if let Ok(manifest) = Manifest::read(&plugin) {
                    folders.extend(
                        manifest
                            .grants
                            .directories
                            .iter()
                            .map(|one| one.host.clone()),
                    );
                    files.extend(manifest.component_file(&plugin));
                    files.extend(paths(&manifest.sets));
                }
                files.insert(plugin.join("plugin.toml"));
            }
        }
        let parents = files.iter().filter_map(|file| file.parent());
        for folder in parents.chain(folders.iter().map(PathBuf::as_path)) {
            // What is not there may still be made: that shows in the nearest folder that is.
            if let Some(there) = folder.ancestors().find(|folder| folder.is_dir()) {
                self.watcher
                    .watch(there, RecursiveMode::NonRecursive)
                    .with_context(|| format!("cannot watch {}", there.display()))?;
            }
        }
        self.changes.watch(files, folders);
        Ok(())
    }
}

/// What stands in a file; nothing where that is for the reload to complain about.
fn configuration(file: Option<&Path>) -> Option<Configuration> {
    let mut settings = Overrides {
        config: Some(file?.to_owned()),
        ..Overrides::default()
    };
    Configuration::load(&mut settings).ok()
}

/// Of sets; as events name them.
fn paths(sets: &[SetFile]) -> impl Iterator<Item = PathBuf> {
    sets.iter().filter_map(|set| absolute(&set.file).ok())
}

fn absolute(path: &Path) -> anyhow::Result<PathBuf> {
    std::path::absolute(path).with_context(|| format!("cannot watch {}", path.display()))
}

async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment.into()).await,
        None => pending().await,
    }
}
