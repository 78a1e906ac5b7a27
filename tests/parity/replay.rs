//! The record's clients and origins, with the real binary between them.

use super::case::{Asked, Case, Got, Step, expand, octets};
use super::{compare, network};
use crate::support::{Connection, Origin, Proxy};
use std::fs;
use std::time::Duration;

pub(super) struct Replay {
    proxy: Proxy,
    origin: Origin,
    secure: Origin,
    tunnel: Origin,
}

impl Replay {
    /// A proxy with the documented policy; its ports 80 and 443 are joined by the origins' own, its
    /// local network is in 127.0.0.0/8.
    pub(super) fn start(cases: &[Case]) -> Replay {
        let (origin, tunnel) = (network::origin(cases), network::echo());
        let (secure, certificate) = network::secure_origin(cases);
        // What is in it is read once, when the proxy starts.
        let folder = tempfile::tempdir().expect("a folder");
        let (hosts, ca) = (folder.path().join("hosts"), folder.path().join("ca.pem"));
        fs::write(&hosts, network::hosts_file()).expect("a file");
        fs::write(&ca, certificate).expect("a file");
        let settings = format!(
            r#"
            hosts_file = "{hosts}"
            tls_outgoing_cafile = "{ca}"
            dns_nameservers = ["{name_server}"]
            access_log = "none"
            [plugins.access-policy]
            acl = [
              "manager proto cache_object",
              "localhost src 127.0.0.1/32 ::1",
              "to_localhost dst 127.0.0.0/8 0.0.0.0/32 ::1",
              "localnet src 127.10.0.0/16",
              "SSL_ports port 443 {tunnel}",
              "Safe_ports port 80 {http}",
              "Safe_ports port 443 {https} {tunnel}",
              "CONNECT method CONNECT",
            ]
            http_access = [
              "allow manager localhost",
              "deny manager",
              "deny !Safe_ports",
              "deny CONNECT !SSL_ports",
              "allow localnet",
              "allow localhost",
              "deny all",
            ]
            "#,
            hosts = hosts.display(),
            ca = ca.display(),
            https = secure.address.port(),
            name_server = network::name_server(),
            tunnel = tunnel.address.port(),
            http = origin.address.port(),
        );
        Replay {
            proxy: Proxy::with_policy(&settings, &[]),
            origin,
            secure,
            tunnel,
        }
    }

    /// All that is not as in the record, each line with the number of its step.
    pub(super) fn case(&self, case: &Case) -> Vec<String> {
        let mut all = Vec::new();
        for (number, step) in (1..).zip(&case.steps) {
            let lines = self.step(step).into_iter();
            all.extend(lines.map(|line| format!("{number}: {line}")));
        }
        all
    }

    fn step(&self, step: &Step) -> Vec<String> {
        if let Some(milliseconds) = step.wait {
            network::let_pass(Duration::from_millis(milliseconds));
        }
        let mut client = network::client(&step.client, self.proxy.address);
        let mut lines = Vec::new();
        let mut closed = false;
        for (request, squid) in step.send.iter().zip(&step.squid) {
            let ours = match closed {
                true => Got {
                    closed,
                    ..Got::default()
                },
                false => self.exchange(&mut client, step, request),
            };
            closed = ours.close || ours.closed;
            lines.extend(compare::got(&self.expanded(squid), &ours));
        }
        let squid: Vec<Asked> = step.origin.iter().map(|asked| self.asked(asked)).collect();
        let seen = self.origin.all().into_iter().chain(self.secure.all());
        let ours: Vec<Asked> = seen.map(compare::request).collect();
        lines.extend(compare::asked(&squid, &ours));
        lines
    }

    fn exchange(&self, client: &mut Connection, step: &Step, request: &str) -> Got {
        let request = self.known(request);
        let method = request.split(' ').next().unwrap_or_default();
        client.send(octets(&request));
        let mut interim = Vec::new();
        if let Some(rest) = &step.after_100 {
            let head = client.until(b"\r\n\r\n").expect("an interim response");
            let head = String::from_utf8_lossy(&head).into_owned();
            interim.extend(head.split("\r\n").next().map(str::to_owned));
            client.send(rest);
        }
        let Ok(response) = client.try_response(method) else {
            return Got {
                closed: true,
                ..Got::default()
            };
        };
        let mut got = compare::recorded(response);
        got.interim.splice(..0, interim);
        if let (Some(octets), 200) = (&step.tunnel, got.status) {
            client.send(octets);
            let wanted = step.squid[0].tunnel.as_ref().map_or(0, String::len);
            let came = client.take(wanted).unwrap_or_default();
            got.tunnel = Some(String::from_utf8_lossy(&came).into_owned());
        }
        // What is announced has to happen.
        if got.close && !client.is_closed() {
            got.close = false;
        }
        got
    }

    fn expanded(&self, squid: &Got) -> Got {
        let text = |text: &String| lossy(&self.known(text));
        Got {
            fields: squid.fields.iter().map(text).collect(),
            body: text(&squid.body),
            ..squid.clone()
        }
    }

    fn asked(&self, squid: &Asked) -> Asked {
        let text = |text: &String| lossy(&self.known(text));
        Asked {
            line: text(&squid.line),
            fields: squid.fields.iter().map(text).collect(),
            ..squid.clone()
        }
    }

    fn known(&self, template: &str) -> String {
        expand(template, |name| match name {
            "http" => Some(self.origin.address.port().to_string()),
            "https" => Some(self.secure.address.port().to_string()),
            "tunnel" => Some(self.tunnel.address.port().to_string()),
            "proxy" => Some(self.proxy.address.to_string()),
            "proxyport" => Some(self.proxy.address.port().to_string()),
            _ => None,
        })
    }
}

/// As the tests' client and origin show octets that are not UTF-8.
fn lossy(text: &str) -> String {
    String::from_utf8_lossy(&octets(text)).into_owned()
}
