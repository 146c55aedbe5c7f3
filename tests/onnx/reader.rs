//! As much of a reader of ONNX files as the tests want.

/// A field of a message: its number, and its value.
enum Field<'b> {
    Number(u64, u64),
    Bytes(u64, &'b [u8]),
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let (mut value, mut shift) = (0, 0);
    loop {
        let byte = bytes[0];
        *bytes = &bytes[1..];
        value |= u64::from(byte & 0x7f) << shift;
        shift += 7;
        if byte < 0x80 {
            return value;
        }
    }
}

fn fields(mut bytes: &[u8]) -> Vec<Field<'_>> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        let value = varint(&mut bytes);
        fields.push(match key & 7 {
            0 => Field::Number(key >> 3, value),
            2 => {
                let (own, rest) = bytes.split_at(value as usize);
                bytes = rest;
                Field::Bytes(key >> 3, own)
            }
            wire => panic!("wire type {wire}"),
        });
    }
    fields
}

fn all(bytes: &[u8], field: u64) -> Vec<&[u8]> {
    let of = |found| match found {
        Field::Bytes(number, bytes) if number == field => Some(bytes),
        _ => None,
    };
    fields(bytes).into_iter().filter_map(of).collect()
}

fn numbers(bytes: &[u8], field: u64) -> Vec<u64> {
    let of = |found| match found {
        Field::Number(number, value) if number == field => Some(value),
        _ => None,
    };
    fields(bytes).into_iter().filter_map(of).collect()
}

fn text(bytes: &[u8], field: u64) -> String {
    let found = all(bytes, field);
    String::from_utf8(found.first().unwrap_or(&&[][..]).to_vec()).expect("UTF-8")
}

/// A graph: the names of ops, the arrays of `f32`, inputs and outputs with their shapes.
pub struct Graph {
    pub ops: Vec<String>,
    pub arrays: Vec<(String, Vec<usize>, Vec<f32>)>,
    pub inputs: Vec<(String, Vec<String>)>,
    pub outputs: Vec<(String, Vec<String>)>,
}

/// The name and the shape of a value; a length is a number or a name.
fn value(bytes: &[u8]) -> (String, Vec<String>) {
    let kind = all(bytes, 2)[0];
    let shape = all(all(kind, 1)[0], 2)[0];
    let length = |dimension: &&[u8]| match numbers(dimension, 1).first() {
        Some(length) => length.to_string(),
        None => text(dimension, 2),
    };
    (text(bytes, 1), all(shape, 1).iter().map(length).collect())
}

pub fn read(bytes: &[u8]) -> Graph {
    assert_eq!(text(bytes, 2), "horn");
    let graph = all(bytes, 7)[0];
    let array = |tensor: &&[u8]| {
        let float = numbers(tensor, 2) == [1];
        float.then(|| {
            let shape = numbers(tensor, 1).iter().map(|d| *d as usize).collect();
            let raw = all(tensor, 9)[0].chunks_exact(4);
            let raw = raw.map(|four| f32::from_le_bytes(four.try_into().expect("four")));
            (text(tensor, 8), shape, raw.collect())
        })
    };
    Graph {
        ops: all(graph, 1).iter().map(|node| text(node, 4)).collect(),
        arrays: all(graph, 5).iter().filter_map(array).collect(),
        inputs: all(graph, 11).iter().map(|bytes| value(bytes)).collect(),
        outputs: all(graph, 12).iter().map(|bytes| value(bytes)).collect(),
    }
}
