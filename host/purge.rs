//! PURGE, squid's own method: takes out of the cache what is stored for a URI, all variants. It is
//! for the cache alone and never goes to an origin. Who may is policy, as for everything else.

use crate::app::App;
use crate::client::Client;
use crate::error::Failure;
use crate::log::Code;
use crate::respond::{Hooks, Reply};
use crate::transaction::{Request, Transaction};

/// Whether that is what the client asks for.
pub fn is_purge(request: &Request) -> bool {
    request.method.as_str() == "PURGE"
}

/// Serves an admitted request for it. As in squid, the log says TCP_MISS.
///
/// # Errors
/// Nothing is stored, or the client cannot be told.
pub async fn serve(
    app: &App,
    transaction: &mut Transaction,
    client: &mut Client,
) -> Result<(), Failure> {
    let request = transaction.request.clone();
    let asked = app.cache.ask(&request, &transaction.generation);
    if !app.cache.purge(&asked).await {
        return Err(Failure::NotStored);
    }
    app.metrics.cache_purged.inc();
    transaction.entry.outcome.code = Code::Miss;
    let reply = Reply::text(format!("purged {}\n", request.uri()));
    client
        .responder
        .reply(app, transaction, reply, Hooks::Asked)
        .await
}
