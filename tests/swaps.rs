//! A thousand swaps while clients are served.

use crate::support::numbered::{origin, policy, swap};
use crate::support::proxy::request;
use crate::support::{PATIENCE, Proxy};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};

/// Clients on kept connections while 1,000 generations pass.
#[test]
fn a_thousand_swaps_under_load_fail_no_request_and_mix_no_policies() {
    const CLIENTS: usize = 8;
    const SWAPS: usize = 1000;
    let (proxy, origin) = (Proxy::with_policy(&policy(1), &[]), origin());
    // How many responses each client has had.
    let (served, more) = (Mutex::new([0usize; CLIENTS]), Condvar::new());
    // The number that both header hooks put on, by the request's URL.
    let headers = Mutex::new(HashMap::new());
    let mut memory = Vec::new();
    std::thread::scope(|scope| {
        let end = End::default();
        for client in 0..CLIENTS {
            let (proxy, origin, done, headers) = (&proxy, &origin, end.0.clone(), &headers);
            let (served, more) = (&served, &more);
            scope.spawn(move || {
                let mut connection = proxy.connect();
                for sent in 0.. {
                    if done.load(Ordering::Relaxed) {
                        break;
                    }
                    let url = origin.url(&format!("/{client}/{sent}"));
                    connection.send(request("GET", &url, &["X-Policy: mine"], b""));
                    let response = connection.response("GET");
                    assert_eq!(response.status, 200, "{}", response.text());
                    let (asked, got) = (response.field("x-asked"), response.field("x-policy"));
                    assert!(asked.is_some() && asked == got, "{asked:?} {got:?}");
                    let number = got.and_then(|got| got.parse::<u64>().ok());
                    headers.lock().unwrap().insert(url, number);
                    served.lock().unwrap()[client] = sent + 1;
                    more.notify_one();
                }
            });
        }
        for number in 2..=SWAPS + 1 {
            swap(
                &proxy,
                &policy(number),
                &format!("generation {number} serves"),
            );
            memory.push(proxy.own_memory());
            let alive = alive(&proxy);
            assert!((1..=3).contains(&alive), "{alive} after swap {number}");
            // What was under way when this one came is over before the next one does.
            let served = served.lock().unwrap();
            let now = *served;
            let is_over = |served: &mut [usize; CLIENTS]| {
                served.iter().zip(&now).all(|(n, now)| *n > now + 1)
            };
            let waited = more.wait_timeout_while(served, PATIENCE, |served| !is_over(served));
            assert!(!waited.unwrap().1.timed_out(), "a client waits");
        }
    });
    let headers = headers.into_inner().unwrap();
    assert!(headers.len() > SWAPS);
    // The log says which rule let each one pass, and so what the access hook was a part of.
    let mut left = headers.len();
    while left > 0 {
        let line: serde_json::Value = serde_json::from_str(&proxy.logged()).unwrap();
        // The other ones are the questions about generations.
        if let Some(number) = headers.get(line["uri"].as_str().unwrap()) {
            let number = number.expect("a number");
            assert_eq!(line["generation"], number, "{line}");
            let rule = format!("http_access allow policy-{number}");
            assert_eq!(line["rule"], rule, "{line}");
            left -= 1;
        }
    }
    // What a generation holds is not kept: it is more than a hundred times what is let pass here.
    // The allocator's high-water mark takes some hundred swaps to be reached, which a busy machine
    // puts higher. A swap takes some more for a moment, hence medians.
    let median = |part: &[u64]| {
        let mut part = part.to_vec();
        part.sort_unstable();
        part[part.len() / 2]
    };
    let (early, late) = (median(&memory[100..200]), median(&memory[SWAPS - 100..]));
    assert!(late <= early + early / 4, "{early} octets became {late}");
}

/// Ends the clients with the test, also where that has failed.
#[derive(Default)]
struct End(Arc<AtomicBool>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Generations that the proxy has.
fn alive(proxy: &Proxy) -> u64 {
    let metrics = proxy.get("cache_object://localhost/metrics", &[]).text();
    let alive = metrics
        .lines()
        .find_map(|line| line.strip_prefix("wproxy_generations_alive "));
    alive
        .and_then(|alive| alive.parse().ok())
        .expect("a number")
}
