//! The sliding-window caches of candle-nn, on the CPU, as they are released.
//!
//!     slidefuzz-candle [--cache rotating|scattered] [--judge mask|rows|positions]
//!                      [--snapshot clone]
//!
//! `rotating` is RotatingKvCache (rotating.rs), one length for the whole batch;
//! `scattered` is ScatteredKvCache with its ScatteredCacheBuilder (scattered.rs),
//! whose entries go on each for itself. Both are rings of as many rows as the
//! window has tokens. slidefuzz judges what they say of the rows they return:
//!
//! - the mask that they make for a model. By default, `--judge mask`, it is what
//!   the reply says is visible, query by query; `--judge rows` says only of each
//!   row whether some query sees it, to hunt past a mask that shows too much;
//! - `positions(q)` of RotatingKvCache, for those who make a mask of their own:
//!   `--judge positions`.
//!
//! candle is handed whatever comes: this worker refuses nothing that candle takes.
//! What candle refuses, with an error or by a panic, leaves the cache as candle
//! left it.
//!
//! Neither has a snapshot but Clone, by which copy_state of candle-transformers'
//! mimi/transformer.rs copies the state of one model to another: `--snapshot clone`.

mod protocol;
mod rotating;
mod scattered;

use std::any::Any;
use std::collections::BTreeMap;
use std::error::Error;
use std::io;
use std::panic::{catch_unwind, AssertUnwindSafe};

use candle_core::{DType, Device, Tensor};
use protocol::{bools, int64, Array, Message, Meta};
use rotating::Rotating;
use scattered::{Scattered, Shape};

/// The dimension of the rows in [batch, heads, rows, dim], as in every model of
/// candle-transformers that has these caches.
const ROWS: usize = 2;

const DTYPES: [(&str, DType); 5] = [
    ("F32", DType::F32),
    ("BF16", DType::BF16),
    ("F16", DType::F16),
    ("F8_E4M3", DType::F8E4M3),
    ("U8", DType::U8),
];

/// Those that a mask of -inf can be of.
const MASKS: &[(&str, DType)] = &[
    ("F32", DType::F32),
    ("BF16", DType::BF16),
    ("F16", DType::F16),
];

/// Why a request is refused, in words.
type Refusal = Box<dyn Error>;

#[derive(Clone, Copy, PartialEq)]
enum Judge {
    Mask,
    Rows,
    Positions,
}

/// Which queries see which rows: [batch or 1][q][rows].
type Visible = Vec<Vec<Vec<bool>>>;

/// What an append returned, and what the cache says of it.
struct Returned {
    keys: Tensor,
    values: Tensor,
    /// The position of each row, -1 for none: [batch or 1][rows].
    positions: Vec<Vec<i64>>,
    visible: Visible,
}

/// How many tokens a crop keeps: so many of every entry, or a number for each.
enum Keep {
    All(usize),
    Each(Vec<usize>),
}

/// A cache as the protocol has it.
trait Cache {
    /// Appends a chunk, the last lens[e] tokens of entry e where there are lens.
    fn append(
        &mut self,
        k: &Tensor,
        v: &Tensor,
        lens: Option<&[usize]>,
    ) -> Result<Returned, Refusal>;
    fn reset(&mut self);
    fn crop(&mut self, keep: Keep) -> Result<(), Refusal>;
    fn snapshot(&mut self, id: &str);
    fn restore(&mut self, id: &str) -> Result<(), Refusal>;
}

/// One update: what is returned, and what is said of it.
fn update(
    cache: &mut dyn Cache,
    judge: Judge,
    keys: &Array,
    values: &Array,
    lens: Option<&[usize]>,
) -> Result<Message, Refusal> {
    let (k, v) = (tensor(keys)?, tensor(values)?);
    let mut got = cache.append(&k, &v, lens)?;
    if judge == Judge::Rows {
        // A row that is hidden from every query is none, if there are queries.
        let queries = k.dim(ROWS)?;
        for (positions, visible) in got.positions.iter_mut().zip(&got.visible) {
            for (r, p) in positions.iter_mut().enumerate() {
                if queries > 0 && !visible.iter().any(|query| query[r]) {
                    *p = -1;
                }
            }
        }
    }
    // The bytes now: what is returned may be a view of the buffer.
    let mut tensors = BTreeMap::from([
        ("keys".into(), array(&got.keys)?),
        ("values".into(), array(&got.values)?),
        ("positions".into(), int64(&got.positions)),
    ]);
    if judge == Judge::Mask {
        let rows = got.positions.first().map_or(0, Vec::len);
        tensors.insert("visible".into(), bools(&got.visible, rows));
    }
    // What was handed over must not be kept.
    for x in [&k, &v] {
        x.slice_set(&x.zeros_like()?, ROWS, 0)?;
    }
    Ok(Message {
        tensors,
        ..Default::default()
    })
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
    scattered: bool,
    judge: Judge,
    snapshots: bool,
    cache: Option<Box<dyn Cache>>,
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
        let number = |key: &str| -> Result<usize, Refusal> { Ok(word(key)?.parse()?) };
        let op = word("op")?;
        match op {
            "hello" => return Ok(self.hello()),
            "new" => {
                self.cache = None;
                self.cache = Some(self.new_cache(Shape {
                    batch: number("batch")?,
                    heads: number("heads")?,
                    window: number("window")?,
                    dim: number("dim")?,
                    dtype: dtype(word("dtype")?)?,
                })?);
                return Ok(Message::default());
            }
            "bye" => return Ok(Message::default()),
            _ => {}
        }
        let offered = match op {
            "update" | "reset" => true,
            "crop" => self.scattered,
            "snapshot" | "restore" => self.snapshots,
            _ => false,
        };
        if !offered {
            return Err(format!("unknown op {op:?}").into());
        }
        let cache = self.cache.as_mut().ok_or("there is no cache yet")?;
        let lengths = |key: &str| -> Result<Option<Vec<usize>>, Refusal> {
            let Some(list) = request.meta.get(key) else {
                return Ok(None);
            };
            let all: Result<Vec<usize>, _> = list.split(',').map(str::parse).collect();
            Ok(Some(all?))
        };
        match op {
            "update" => {
                let lens = lengths("lens")?;
                let (keys, values) = (array("keys")?, array("values")?);
                return update(cache.as_mut(), self.judge, keys, values, lens.as_deref());
            }
            "reset" => cache.reset(),
            "crop" => match lengths("lengths")? {
                Some(all) => cache.crop(Keep::Each(all))?,
                None => cache.crop(Keep::All(number("length")?))?,
            },
            "snapshot" => cache.snapshot(word("id")?),
            _ => cache.restore(word("id")?)?,
        }
        Ok(Message::default())
    }

    fn new_cache(&self, shape: Shape) -> Result<Box<dyn Cache>, Refusal> {
        Ok(if self.scattered {
            Box::new(Scattered::new(&shape)?)
        } else {
            Box::new(Rotating::new(shape.window, self.judge))
        })
    }

    fn hello(&self) -> Message {
        let (name, dtypes, mut capabilities) = match self.scattered {
            true => ("candle-scattered", MASKS, vec!["crop", "ragged"]),
            false => ("candle-rotating", &DTYPES[..], vec![]),
        };
        if self.snapshots {
            capabilities.push("snapshot");
        }
        let dtypes: Vec<&str> = dtypes.iter().map(|d| d.0).collect();
        let mut reply = meta(&[
            ("name", name),
            ("version", &version()),
            ("contract", "chunks"),
            ("dtypes", &dtypes.join(",")),
            ("device", "cpu"),
        ]);
        if !capabilities.is_empty() {
            let all = capabilities.join(",");
            reply.meta.insert("capabilities".into(), all);
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

fn usage() -> ! {
    eprintln!(
        "usage: slidefuzz-candle [--cache rotating|scattered] [--judge mask|rows|positions] \
         [--snapshot clone]; scattered has no positions"
    );
    std::process::exit(2);
}

/// Answers requests until bye.
fn serve() -> Result<(), Refusal> {
    let mut worker = Worker {
        scattered: false,
        judge: Judge::Mask,
        snapshots: false,
        cache: None,
    };
    let mut args = std::env::args().skip(1);
    while let Some(flag) = args.next() {
        let value = args.next().unwrap_or_default();
        match (flag.as_str(), value.as_str()) {
            ("--cache", "rotating") => worker.scattered = false,
            ("--cache", "scattered") => worker.scattered = true,
            ("--judge", "rows") => worker.judge = Judge::Rows,
            ("--judge", "mask") => worker.judge = Judge::Mask,
            ("--judge", "positions") => worker.judge = Judge::Positions,
            ("--snapshot", "clone") => worker.snapshots = true,
            _ => usage(),
        }
    }
    if worker.scattered && worker.judge == Judge::Positions {
        usage();
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
