//! The command line.

mod cache;
mod check;
mod explain;
mod generations;
mod plugin;
mod question;
mod record;
mod reload;
mod replay;
mod run;
mod running;
mod shadow;
mod status;
mod text;

use crate::config::{Chain, Configuration, Overrides};
use crate::generation::{Generation, Plugins, Reloader};
use crate::plugin::Engine;
use crate::shadow::Candidate;
use crate::upstream::Upstreams;
use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use running::Proxy;
use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::SystemTime;
use tracing_subscriber::EnvFilter;

/// A forward proxy whose policy is WebAssembly plugins that can be swapped while it serves.
#[derive(Debug, Parser)]
#[command(version, about, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the proxy until SIGTERM. SIGHUP reloads the plugins and their settings, SIGUSR1 reopens
    /// the access log
    Run {
        #[command(flatten)]
        sources: Sources,
        /// Listen here instead of where http_port says: 8080, 10.0.1.11:8080, [::1]:8080
        #[arg(long, value_name = "ADDR")]
        listen: Vec<String>,
        /// Reload whenever the settings or a plugin change, as SIGHUP does
        #[arg(long)]
        watch: bool,
        #[command(flatten)]
        shadow: Shadow,
    },
    /// Check settings and plugins as `run` loads them, without opening a port, and print what would
    /// run
    Check {
        #[command(flatten)]
        sources: Sources,
        #[command(flatten)]
        shadow: Shadow,
    },
    /// Show every rule that is tested for a request, and the result, without a server. With --id,
    /// the running proxy explains a request that it has served. The exit code is 0 if the request
    /// is allowed, 2 if it is denied
    Explain {
        #[command(flatten)]
        arguments: explain::Arguments,
    },
    /// Show the state of the running proxy: plugins, cache, helpers, requests and reloads
    Status {
        #[command(flatten)]
        proxy: Proxy,
    },
    /// Reload the plugins of the running proxy and their settings, as SIGHUP does, and show what
    /// changed. The exit code is 1 if the reload fails and the old plugins keep serving
    Reload {
        #[command(flatten)]
        proxy: Proxy,
    },
    /// List the current generation of plugins, and older ones that requests still use
    Generations {
        #[command(flatten)]
        proxy: Proxy,
    },
    /// Show what the candidate policy in the shadow would do differently, or make it live
    Shadow {
        #[command(subcommand)]
        command: shadow::Command,
    },
    /// List what the running proxy's cache has stored, or remove it
    Cache {
        #[command(subcommand)]
        command: cache::Command,
    },
    /// Record what the running proxy's plugins are asked and answer, for `wproxy replay`
    Record {
        #[command(flatten)]
        recording: record::Recording,
        #[command(flatten)]
        proxy: Proxy,
    },
    /// Show what another policy would change in a recording, without a server. The exit code is 0
    /// if nothing would change, 2 if something would
    Replay {
        #[command(flatten)]
        trial: replay::Trial,
    },
    /// Make, test and publish plugins
    Plugin {
        #[command(subcommand)]
        command: plugin::Command,
    },
}

/// Where settings and plugins come from.
#[derive(Debug, Clone, Args)]
struct Sources {
    /// Settings file; by default /etc/wproxy/wproxy.toml if it exists, else the documented defaults
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Folder of plugins, in place of plugin_dir in the settings; without either, the built-in ones
    #[arg(long, value_name = "DIR")]
    plugins: Option<PathBuf>,
}

/// What is tried beside them.
#[derive(Debug, Clone, Args)]
struct Shadow {
    /// Folder of plugins to try beside the live ones, on the same requests; see `wproxy shadow`
    #[arg(long, value_name = "DIR")]
    shadow: Option<PathBuf>,
    /// Settings file to try: its [plugins], [sets] and [helpers], with the --shadow folder or else
    /// the live plugins
    #[arg(long, value_name = "FILE")]
    shadow_config: Option<PathBuf>,
}

impl From<Shadow> for Chain {
    fn from(shadow: Shadow) -> Chain {
        Chain {
            plugins: shadow.shadow,
            config: shadow.shadow_config,
        }
    }
}

/// All that has been read and found good.
struct Prepared {
    configuration: Configuration,
    upstreams: Arc<Upstreams>,
    generation: Generation,
    reloader: Reloader,
}

/// Runs the command that the arguments name.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return match error.use_stderr() {
                true => not_understood(std::env::args_os().skip(1)),
                false => ExitCode::SUCCESS,
            };
        }
    };
    log_to_stderr();
    let done = match cli.command {
        Command::Run {
            sources,
            listen,
            watch,
            shadow,
        } => run::run(sources, listen, watch, shadow.into()),
        Command::Check { sources, shadow } => check::check(sources, shadow.into()),
        Command::Explain { arguments } => explain::explain(arguments),
        Command::Status { proxy } => status::status(&proxy),
        Command::Reload { proxy } => reload::reload(&proxy),
        Command::Generations { proxy } => generations::generations(&proxy),
        Command::Shadow { command } => shadow::run(command),
        Command::Cache { command } => cache::run(command),
        Command::Record { recording, proxy } => record::record(recording, &proxy),
        Command::Replay { trial } => replay::replay(trial),
        Command::Plugin { command } => plugin::run(command),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
    }
}

/// The exit code for arguments that cannot be understood. It is that of other failures, because 2
/// is a verdict; in `plugin test` it is 2, because 1 is one.
fn not_understood(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    match arguments.take(2).eq(["plugin", "test"]) {
        true => ExitCode::from(plugin::NOT_TESTED),
        false => ExitCode::FAILURE,
    }
}

fn complain(error: &anyhow::Error) {
    let mut stderr = anstream::stderr();
    let _ = writeln!(stderr, "error: {error:#}");
}

fn log_to_stderr() {
    let filter = EnvFilter::try_from_env("WPROXY_LOG")
        .unwrap_or_else(|_| EnvFilter::new("info,notify=error"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .init();
}

// === impl Prepared ===

impl Prepared {
    /// What is to be tried beside it.
    fn candidate(&self) -> anyhow::Result<Option<Candidate>> {
        let Prepared {
            configuration,
            generation,
            reloader,
            ..
        } = self;
        let now = SystemTime::now();
        let candidate = Candidate::wanted(configuration, reloader, generation, None, 1, now);
        candidate.context("the candidate for the shadow")
    }
}

// === impl Sources ===

impl Sources {
    /// Reads, pulls, compiles and configures all of it. Nothing is bound, and only caches are
    /// written: of what is pulled, and of what is compiled.
    fn prepare(self, listen: Vec<String>) -> anyhow::Result<Prepared> {
        self.prepare_with(Overrides {
            listen,
            ..Overrides::default()
        })
    }

    /// The same with more that the command line says.
    fn prepare_with(self, overrides: Overrides) -> anyhow::Result<Prepared> {
        let mut overrides = Overrides {
            config: self.config,
            plugins: self.plugins,
            ..overrides
        };
        let configuration = Configuration::load(&mut overrides)?;
        let upstreams = Arc::new(Upstreams::new(&configuration.settings)?);
        let workers = configuration.settings.workers;
        let engine = Engine::new(workers)?;
        let plugins = Plugins::from(configuration.plugin_dir.clone());
        let generation = Generation::build(1, &engine, &plugins, &configuration, workers, None)?;
        let reloader = Reloader {
            engine,
            overrides,
            promoted: Chain::default(),
        };
        Ok(Prepared {
            configuration,
            upstreams,
            generation,
            reloader,
        })
    }
}
