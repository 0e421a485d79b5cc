//! The rotating cache of candle-nn, on the CPU, as it is released.
//!
//!     slidefuzz-candle [--judge rows|mask|positions] [--snapshot clone]
//!
//! RotatingKvCache is a ring of as many rows as the window has tokens. It says by
//! two methods what the rows hold that an append is about to return, and slidefuzz
//! judges what it says:
//!
//! - `attn_mask(q)`, from which the mask of a model is made (in
//!   candle-transformers: mimi/transformer.rs). Judged by default, `--judge rows`:
//!   the position that the mask takes each row for. `--judge mask` also compares
//!   the mask, query by query, with the window; the protocol has no words for a
//!   mask, so where they differ the update is refused before it is made.
//! - `positions(q)`, for those who make a mask of their own: `--judge positions`.
//!
//! candle is handed whatever comes: this worker refuses nothing that candle takes.
//! The shape that a request `new` names is unknown to candle, which takes that of
//! the first chunk after new and after reset, whichever it is. What candle refuses,
//! with an error or by a panic, leaves the cache as candle left it.
//!
//! RotatingKvCache has no crop, and no snapshot but Clone, by which copy_state of
//! mimi/transformer.rs copies the state of one model to another: `--snapshot clone`.

mod protocol;

use std::any::Any;
use std::collections::{BTreeMap, HashMap};
use std::error::Error;
use std::io;
use std::panic::{catch_unwind, AssertUnwindSafe};

use candle_core::{DType, Device, Tensor};
use candle_nn::kv_cache::RotatingKvCache;
use protocol::{int64, Array, Message, Meta};

/// The dimension of the rows in [batch, heads, rows, dim], as in every model of
/// candle-transformers that has this cache.
const ROWS: usize = 2;

const DTYPES: [(&str, DType); 5] = [
    ("F32", DType::F32),
    ("BF16", DType::BF16),
    ("F16", DType::F16),
    ("F8_E4M3", DType::F8E4M3),
    ("U8", DType::U8),
];

/// Why a request is refused, in words.
type Refusal = Box<dyn Error>;

#[derive(Clone, Copy, PartialEq)]
enum Judge {
    Rows,
    Mask,
    Positions,
}

struct Cache {
    cache: RotatingKvCache,
    window: usize,
    judge: Judge,
    saved: HashMap<String, RotatingKvCache>,
}

impl Cache {
    fn update(&mut self, keys: &Array, values: &Array) -> Result<Message, Refusal> {
        let (k, v) = (tensor(keys)?, tensor(values)?);
        // Both must be asked before the append, and tell what it will return.
        let positions = self.positions(k.dim(ROWS)?)?;
        // If the append of the values fails, that of the keys has been made.
        let (k1, v1) = self.cache.append(&k, &v)?;
        // The bytes now: what is returned may be a view of the buffer.
        let reply = BTreeMap::from([
            ("keys".into(), array(&k1)?),
            ("values".into(), array(&v1)?),
            ("positions".into(), int64(&positions)),
        ]);
        // What was handed over must not be kept.
        for x in [&k, &v] {
            x.slice_set(&x.zeros_like()?, ROWS, 0)?;
        }
        Ok(Message {
            tensors: reply,
            ..Default::default()
        })
    }

    /// The position of each row that the append of q tokens will return, -1 for
    /// one that holds none.
    fn positions(&self, q: usize) -> Result<Vec<i64>, Refusal> {
        let n = self.cache.current_seq_len();
        if self.judge == Judge::Positions {
            return Ok(signed(self.cache.positions(q)));
        }
        // attn_mask has a mask of get_mask_rel for a chunk shorter than the
        // window: the rows are the ring. It is the formula of positions. For
        // other chunks it has one of get_mask_abs: the rows are the chunk. So it
        // is in append; but positions has the ring for a chunk as long as the
        // window too.
        let rows = if q < self.window {
            signed(self.cache.positions(q))
        } else {
            signed(n..n + q)
        };
        // No mask, for a single query: it sees every row.
        let Some(mask) = self.cache.attn_mask(q, &Device::Cpu)? else {
            return Ok(rows);
        };
        if mask.dims() != [q, rows.len()] {
            return Err(format!(
                "attn_mask({q}) after {n} tokens is {:?}, for {} rows",
                mask.dims(),
                rows.len()
            )
            .into());
        }
        let hidden = mask.to_vec2::<u8>()?; // 1 where a query must not look
        if self.judge == Judge::Mask {
            check_mask(&hidden, &rows, n, self.window)?;
        }
        // A row that is hidden from every query is none, if there are queries.
        let seen = |row: usize| q == 0 || hidden.iter().any(|query| query[row] == 0);
        Ok((0..rows.len())
            .map(|i| if seen(i) { rows[i] } else { -1 })
            .collect())
    }

    fn reset(&mut self) {
        self.cache.reset();
    }

    fn snapshot(&mut self, id: &str) {
        self.saved.insert(id.into(), self.cache.clone());
    }

    fn restore(&mut self, id: &str) -> Result<(), Refusal> {
        self.cache = self.saved.get(id).ok_or("no such snapshot")?.clone();
        Ok(())
    }
}

/// Compares a mask with the window: the query at position p sees the tokens from
/// p-window+1 on, p the last.
fn check_mask(hidden: &[Vec<u8>], rows: &[i64], n: usize, window: usize) -> Result<(), Refusal> {
    for (i, query) in hidden.iter().enumerate() {
        let p = (n + i) as i64;
        for (&hidden, &token) in query.iter().zip(rows) {
            let within = token <= p && token > p - window as i64;
            if within == (hidden != 0) {
                let verb = if within { "hides" } else { "shows" };
                return Err(format!(
                    "attn_mask {verb} token {token} {} the query at position {p}, in a window of {window}",
                    if within { "from" } else { "to" }
                )
                .into());
            }
        }
    }
    Ok(())
}

/// Positions for the protocol. A position that wrapped below 0, as it does in a
/// release build, stays a position, and is not taken for an empty row.
fn signed(positions: impl IntoIterator<Item = usize>) -> Vec<i64> {
    let all = positions.into_iter();
    all.map(|p| i64::try_from(p).unwrap_or(i64::MAX)).collect()
}

fn tensor(a: &Array) -> Result<Tensor, Refusal> {
    let dtype = dtype(&a.dtype)?;
    if a.data.len() != a.shape.iter().product::<usize>() * dtype.size_in_bytes() {
        return Err(format!("{} bytes for {:?} of {}", a.data.len(), a.shape, a.dtype).into());
    }
    Ok(Tensor::from_raw_buffer(
        &a.data,
        dtype,
        &a.shape,
        &Device::Cpu,
    )?)
}

fn array(t: &Tensor) -> Result<Array, Refusal> {
    let mut data = Vec::new();
    t.write_bytes(&mut data)?; // row-major, whatever its strides
    let name = DTYPES.iter().find(|d| d.1 == t.dtype());
    Ok(Array {
        dtype: name.ok_or("a dtype that was never handed over")?.0.into(),
        shape: t.dims().to_vec(),
        data,
    })
}

fn dtype(name: &str) -> Result<DType, Refusal> {
    let found = DTYPES.iter().find(|d| d.0 == name);
    Ok(found.ok_or(format!("dtype {name}"))?.1)
}

struct Worker {
    judge: Judge,
    snapshots: bool,
    cache: Option<Cache>,
}

impl Worker {
    fn answer(&mut self, request: &Message) -> Result<Message, Refusal> {
        let word = |key: &str| -> Result<&str, Refusal> {
            let found = request.meta.get(key);
            Ok(found.ok_or_else(|| format!("the request lacks {key}"))?)
        };
        let array = |key: &str| -> Result<&Array, Refusal> {
            let found = request.tensors.get(key);
            Ok(found.ok_or_else(|| format!("the request lacks {key}"))?)
        };
        let op = word("op")?;
        match op {
            "hello" => return Ok(self.hello()),
            "new" => {
                let window = word("window")?.parse()?;
                dtype(word("dtype")?)?;
                self.cache = None;
                self.cache = Some(Cache {
                    cache: RotatingKvCache::new(ROWS, window),
                    window,
                    judge: self.judge,
                    saved: HashMap::new(),
                });
                return Ok(Message::default());
            }
            "bye" => return Ok(Message::default()),
            _ => {}
        }
        let copies = matches!(op, "snapshot" | "restore");
        if !(matches!(op, "update" | "reset") || copies && self.snapshots) {
            return Err(format!("unknown op {op:?}").into());
        }
        let cache = self.cache.as_mut().ok_or("there is no cache yet")?;
        match op {
            "update" => return cache.update(array("keys")?, array("values")?),
            "reset" => cache.reset(),
            "snapshot" => cache.snapshot(word("id")?),
            _ => cache.restore(word("id")?)?,
        }
        Ok(Message::default())
    }

    fn hello(&self) -> Message {
        let mut reply = meta(&[
            ("name", "candle-rotating"),
            ("version", &version()),
            ("contract", "chunks"),
            ("dtypes", &DTYPES.map(|d| d.0).join(",")),
            ("device", "cpu"),
        ]);
        if self.snapshots {
            reply.meta.insert("capabilities".into(), "snapshot".into());
        }
        reply
    }
}

/// What is tested, as Cargo.lock has it.
fn version() -> String {
    let lock = include_str!("../Cargo.lock");
    let found = lock.split_once("name = \"candle-nn\"\nversion = \"");
    let version = found.and_then(|(_, rest)| rest.split('"').next());
    format!("candle-nn {}", version.unwrap_or("unknown"))
}

fn meta(entries: &[(&str, &str)]) -> Message {
    let all = entries.iter().map(|(k, v)| (k.to_string(), v.to_string()));
    Message {
        meta: all.collect::<Meta>(),
        ..Default::default()
    }
}

/// A refusal in one line.
fn refusal(why: &str) -> Message {
    let line = why.lines().next().unwrap_or_default();
    meta(&[("error", &line.chars().take(500).collect::<String>())])
}

fn panicked(why: &(dyn Any + Send)) -> String {
    let text = why.downcast_ref::<&str>().copied();
    let text = text.or_else(|| why.downcast_ref::<String>().map(String::as_str));
    format!("panic: {}", text.unwrap_or("without words"))
}

fn main() {
    if let Err(e) = serve() {
        eprintln!("slidefuzz-candle: {e}");
        std::process::exit(1);
    }
}

/// Answers requests until bye.
fn serve() -> Result<(), Refusal> {
    let mut worker = Worker {
        judge: Judge::Rows,
        snapshots: false,
        cache: None,
    };
    let mut args = std::env::args().skip(1);
    while let Some(flag) = args.next() {
        let value = args.next().unwrap_or_default();
        match (flag.as_str(), value.as_str()) {
            ("--judge", "rows") => worker.judge = Judge::Rows,
            ("--judge", "mask") => worker.judge = Judge::Mask,
            ("--judge", "positions") => worker.judge = Judge::Positions,
            ("--snapshot", "clone") => worker.snapshots = true,
            _ => {
                eprintln!(
                    "usage: slidefuzz-candle [--judge rows|mask|positions] [--snapshot clone]"
                );
                std::process::exit(2);
            }
        }
    }
    let (mut requests, mut replies) = (io::stdin().lock(), io::stdout().lock());
    while let Some(request) = protocol::read(&mut requests)? {
        // The cache is used again after a panic: as it is then is what is judged.
        let reply = match catch_unwind(AssertUnwindSafe(|| worker.answer(&request))) {
            Ok(Ok(reply)) => reply,
            Ok(Err(e)) => refusal(&e.to_string()),
            Err(p) => refusal(&panicked(p.as_ref())),
        };
        protocol::write(&mut replies, &reply)?;
        if request.meta.get("op").is_some_and(|op| op == "bye") {
            break;
        }
    }
    Ok(())
}
