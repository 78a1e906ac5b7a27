//! The command line.

mod cache;
mod check;
mod explain;
mod generations;
mod plugin;
mod question;
mod reload;
mod run;
mod running;
mod status;
mod text;

use crate::app::Reloader;
use crate::config::{Configuration, Overrides};
use crate::generation::{Generation, Plugins};
use crate::plugin::Engine;
use crate::upstream::Upstreams;
use clap::{Args, Parser, Subcommand};
use running::Proxy;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use tracing_subscriber::EnvFilter;

/// A forward proxy whose policy is WebAssembly components that are swapped while it serves.
#[derive(Debug, Parser)]
#[command(version, about, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve, until SIGTERM; SIGHUP swaps the plugins, SIGUSR1 opens the access log anew
    Run {
        #[command(flatten)]
        sources: Sources,
        /// Listen here instead of where http_port says: 8080, 10.0.1.11:8080, [::1]:8080
        #[arg(long, value_name = "ADDR")]
        listen: Vec<String>,
        /// Swap whenever the settings or a plugin have changed, as SIGHUP does
        #[arg(long)]
        watch: bool,
    },
    /// Read everything, compile and configure the plugins, bind nothing, print what would run
    Check {
        #[command(flatten)]
        sources: Sources,
    },
    /// Say what would become of a request, by which rule, without a server
    Explain {
        /// GET, CONNECT, ...
        method: String,
        /// http://host/path; for CONNECT, host:port
        url: String,
        /// Whose request it is
        #[arg(long, value_name = "IP")]
        client: std::net::IpAddr,
        /// A field of the request, as `User-Agent: curl`; more than one if need be
        #[arg(long, value_name = "FIELD")]
        header: Vec<String>,
        #[command(flatten)]
        sources: Sources,
    },
    /// Say how the running proxy fares: what an operator looks at first
    Status {
        #[command(flatten)]
        proxy: Proxy,
    },
    /// Let the running proxy swap its plugins, as SIGHUP does, and say what has come of it; the exit
    /// code is 1 where the old ones go on serving
    Reload {
        #[command(flatten)]
        proxy: Proxy,
    },
    /// List the generation of plugins that serves, and those that requests are still pinned to
    Generations {
        #[command(flatten)]
        proxy: Proxy,
    },
    /// See what the running proxy has stored, and take responses out of it
    Cache {
        #[command(subcommand)]
        command: cache::Command,
    },
    /// Make plugins
    Plugin {
        #[command(subcommand)]
        command: plugin::Command,
    },
}

/// Where settings and plugins come from.
#[derive(Debug, Clone, Args)]
struct Sources {
    /// Settings; /etc/wproxy/wproxy.toml if that is there, else the documented defaults
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// A folder of plugins in place of those that the program carries
    #[arg(long, value_name = "DIR")]
    plugins: Option<PathBuf>,
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
    let cli = Cli::parse();
    log_to_stderr();
    let done = match cli.command {
        Command::Run {
            sources,
            listen,
            watch,
        } => run::run(sources, listen, watch),
        Command::Check { sources } => check::check(sources),
        Command::Explain {
            method,
            url,
            client,
            header,
            sources,
        } => explain::explain(&method, &url, client, &header, sources),
        Command::Status { proxy } => status::status(&proxy),
        Command::Reload { proxy } => reload::reload(&proxy),
        Command::Generations { proxy } => generations::generations(&proxy),
        Command::Cache { command } => cache::run(command),
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

// === impl Sources ===

impl Sources {
    /// Reads, pulls, compiles and configures all of it. Nothing is bound, and only caches are
    /// written: of what is pulled, and of what is compiled.
    fn prepare(self, listen: Vec<String>) -> anyhow::Result<Prepared> {
        let mut overrides = Overrides {
            config: self.config,
            listen,
        };
        let configuration = Configuration::load(&mut overrides)?;
        let upstreams = Arc::new(Upstreams::new(&configuration.settings)?);
        let plugins = match self.plugins {
            Some(folder) => Plugins::Folder(folder),
            None => Plugins::BuiltIn,
        };
        let workers = configuration.settings.workers;
        let engine = Engine::new(workers)?;
        let generation = Generation::build(
            1,
            &engine,
            &plugins,
            &configuration.plugins,
            &configuration.sets,
            workers,
            None,
        )?;
        let generation = generation.with_helpers(&configuration.helpers, None);
        let reloader = Reloader {
            engine,
            plugins,
            overrides,
        };
        Ok(Prepared {
            configuration,
            upstreams,
            generation,
            reloader,
        })
    }
}
