//! `wasi:random`: the same numbers for every instance unless granted.

use super::{Call, Versioned};

pub(super) enum Random {
    Granted,
    /// The same numbers for every instance.
    Fixed(u64),
}

/// Octets at a time.
const MAX_BYTES: u64 = 1 << 16;

// === impl Random ===

impl Random {
    pub(super) fn new(granted: bool) -> Random {
        match granted {
            true => Random::Granted,
            false => Random::Fixed(0x9e37_79b9_7f4a_7c15),
        }
    }

    fn number(&mut self) -> wasmtime::Result<u64> {
        match self {
            Random::Granted => getrandom::u64().map_err(none),
            Random::Fixed(state) => {
                // splitmix64: any sequence will do.
                *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
                let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                Ok(mixed ^ (mixed >> 31))
            }
        }
    }

    fn bytes(&mut self, length: u64) -> wasmtime::Result<Vec<u8>> {
        if length > MAX_BYTES {
            return Err(wasmtime::Error::msg(
                "more than 64 KB of random octets at a time",
            ));
        }
        let mut octets = vec![0; usize::try_from(length)?];
        if let Random::Granted = self {
            getrandom::fill(&mut octets).map_err(none)?;
            return Ok(octets);
        }
        for chunk in octets.chunks_mut(8) {
            chunk.copy_from_slice(&self.number()?.to_le_bytes()[..chunk.len()]);
        }
        Ok(octets)
    }
}

fn none(error: getrandom::Error) -> wasmtime::Error {
    wasmtime::Error::msg(format!("no random numbers: {error}"))
}

pub(super) fn add_to_linker(linker: &mut Versioned<'_>) -> wasmtime::Result<()> {
    for (interface, prefix) in [
        ("random", "get-random"),
        ("insecure", "get-insecure-random"),
    ] {
        let mut interface = linker.instance(&format!("wasi:random/{interface}"))?;
        interface.func_wrap(
            &format!("{prefix}-bytes"),
            |mut call: Call<'_>, (length,): (u64,)| {
                Ok((call.data_mut().wasi.random.bytes(length)?,))
            },
        )?;
        interface.func_wrap(&format!("{prefix}-u64"), |mut call: Call<'_>, (): ()| {
            Ok((call.data_mut().wasi.random.number()?,))
        })?;
    }
    let mut seed = linker.instance("wasi:random/insecure-seed")?;
    seed.func_wrap("insecure-seed", |mut call: Call<'_>, (): ()| {
        let random = &mut call.data_mut().wasi.random;
        Ok(((random.number()?, random.number()?),))
    })
}
