//! The worker protocol of slidefuzz: messages on standard input and output. See
//! docs/workers.md.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};

use serde_json::{json, Map, Value};

const MAX_HEADER: u64 = 1 << 20;
const MAX_DATA: usize = 256 << 20;

/// Strings by name.
pub type Meta = BTreeMap<String, String>;

/// A named array, row-major. dtype is its safetensors name.
pub struct Array {
    pub dtype: String,
    pub shape: Vec<usize>,
    pub data: Vec<u8>,
}

/// One request or reply, a safetensors blob.
#[derive(Default)]
pub struct Message {
    pub meta: Meta,
    pub tensors: BTreeMap<String, Array>,
}

/// Reads a message, None at the end of the input.
pub fn read(r: &mut impl Read) -> io::Result<Option<Message>> {
    let mut size = [0; 8];
    if r.read(&mut size[..1])? == 0 {
        return Ok(None);
    }
    r.read_exact(&mut size[1..])?;
    let n = u64::from_le_bytes(size);
    if n > MAX_HEADER {
        return Err(bad(format!("a header of {n} bytes")));
    }
    let mut text = vec![0; n as usize];
    r.read_exact(&mut text)?;
    let mut header: Map<String, Value> = serde_json::from_slice(&text)?;
    let mut m = Message::default();
    if let Some(meta) = header.remove("__metadata__") {
        m.meta = serde_json::from_value(meta)?;
    }
    let mut at = Vec::new();
    for (name, entry) in header {
        let field = |key: &str| entry.get(key).cloned().unwrap_or_default();
        let dtype = serde_json::from_value(field("dtype"))?;
        let shape = serde_json::from_value(field("shape"))?;
        let [lo, hi]: [usize; 2] = serde_json::from_value(field("data_offsets"))?;
        if lo > hi || hi > MAX_DATA {
            return Err(bad(format!("tensor {name:?} at [{lo}, {hi}]")));
        }
        at.push((name, dtype, shape, lo, hi));
    }
    let mut data = vec![0; at.iter().map(|t| t.4).max().unwrap_or(0)];
    r.read_exact(&mut data)?;
    for (name, dtype, shape, lo, hi) in at {
        let data = data[lo..hi].to_vec();
        m.tensors.insert(name, Array { dtype, shape, data });
    }
    Ok(Some(m))
}

/// Writes a message in one piece.
pub fn write(w: &mut impl Write, m: &Message) -> io::Result<()> {
    let mut header = Map::new();
    header.insert("__metadata__".into(), json!(m.meta));
    let mut data = Vec::new();
    for (name, t) in &m.tensors {
        let lo = data.len();
        data.extend_from_slice(&t.data);
        let offsets = [lo, data.len()];
        header.insert(
            name.clone(),
            json!({"dtype": t.dtype, "shape": t.shape, "data_offsets": offsets}),
        );
    }
    let text = serde_json::to_vec(&header)?;
    let mut b = (text.len() as u64).to_le_bytes().to_vec();
    b.extend(text);
    b.extend(data);
    w.write_all(&b)?;
    w.flush()
}

/// Positions: [rows] where a single list is for the whole batch, else
/// [batch, rows].
pub fn int64(values: &[Vec<i64>]) -> Array {
    let rows = values.first().map_or(0, Vec::len);
    Array {
        dtype: "I64".into(),
        shape: match values.len() {
            1 => vec![rows],
            batch => vec![batch, rows],
        },
        data: values
            .concat()
            .iter()
            .flat_map(|v| v.to_le_bytes())
            .collect(),
    }
}

/// What queries see, [batch or 1, q, rows]; rows is said, since q may be 0.
pub fn bools(values: &[Vec<Vec<bool>>], rows: usize) -> Array {
    Array {
        dtype: "BOOL".into(),
        shape: vec![values.len(), values.first().map_or(0, Vec::len), rows],
        data: values.concat().concat().into_iter().map(u8::from).collect(),
    }
}

fn bad(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
