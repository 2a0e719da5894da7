//! The opcodes and the stack they work on.

use std::collections::HashMap;

use super::{Id, MAX_STEPS, Pickle, PickleError, Value};

/// Most marks that may be open at a time: a state dict needs a handful.
const MAX_MARKS: usize = 10_000;

/// A pickle being read.
#[derive(Default)]
pub(super) struct Machine<'a> {
    bytes: &'a [u8],
    position: usize,
    /// Where the opcode at hand stands.
    opcode_offset: usize,
    pub(super) steps: usize,
    values: Vec<Value<'a>>,
    pub(super) stack: Vec<Id>,
    /// Heights of the stack; it never falls below the last.
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
}

impl<'a> Machine<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            ..Self::default()
        }
    }

    /// Carries out all opcodes up to the one that ends the pickle.
    pub(super) fn run(mut self) -> Result<Pickle<'a>, PickleError> {
        loop {
            if let Some(root) = self.step()? {
                return Ok(Pickle {
                    values: self.values,
                    root,
                    length: self.position,
                });
            }
        }
    }

    /// Carries out one opcode; gives the pickle's value where that was the last.
    fn step(&mut self) -> Result<Option<Id>, PickleError> {
        self.opcode_offset = self.position;
        self.spend(1)?;
        let [opcode] = self.array()?;
        match opcode {
            // PROTO: later protocols add opcodes only, which are looked at one by one.
            0x80 => _ = self.array::<1>()?,
            // FRAME: a hint for buffered reading.
            0x95 => _ = self.array::<8>()?,
            // STOP
            b'.' => return self.pop().map(Some),
            // MARK
            b'(' if self.marks.len() == MAX_MARKS => {
                return Err(self.malformed("nests deeper than any state dict"));
            }
            b'(' => self.marks.push(self.stack.len()),
            // POP, which takes a mark where that is on top.
            b'0' if self.marks.last() == Some(&self.stack.len()) => _ = self.marks.pop(),
            b'0' => _ = self.pop()?,
            // POP_MARK
            b'1' => _ = self.pop_to_mark()?,
            // BINPUT, LONG_BINPUT, MEMOIZE
            b'q' => {
                let place = u8::from_le_bytes(self.array()?);
                self.put(place.into())?;
            }
            b'r' => {
                let place = u32::from_le_bytes(self.array()?);
                self.put(place)?;
            }
            // The memo cannot have more places than there were steps.
            0x94 => self.put(self.memo.len() as u32)?,
            // BINGET, LONG_BINGET
            b'h' => {
                let place = u8::from_le_bytes(self.array()?);
                self.recall(place.into())?;
            }
            b'j' => {
                let place = u32::from_le_bytes(self.array()?);
                self.recall(place)?;
            }
            // GLOBAL
            b'c' => {
                let module = self.line()?;
                let name = self.line()?;
                self.global(module, name)?;
            }
            // STACK_GLOBAL
            0x93 => {
                let name = self.pop()?;
                let module = self.pop()?;
                let (Value::Text(module), Value::Text(name)) = (self.get(module), self.get(name))
                else {
                    return Err(self.malformed("names a class by something other than text"));
                };
                let (module, name) = (*module, *name);
                self.global(module.as_bytes(), name.as_bytes())?;
            }
            // REDUCE, and NEWOBJ, which makes of a class what calling it makes.
            b'R' | 0x81 => self.reduce()?,
            // BUILD: the attributes of an OrderedDict (its `_metadata`) are of no use here.
            b'b' => {
                self.pop()?;
                let object = self.top()?;
                if !matches!(self.get(object), Value::Dict(_)) {
                    return Err(self.malformed("sets attributes of something other than a dict"));
                }
            }
            // BINPERSID
            b'Q' => self.persistent()?,
            _ if self.literal(opcode)? || self.collection(opcode)? => {}
            _ => {
                return Err(PickleError::Opcode {
                    opcode,
                    offset: self.opcode_offset,
                });
            }
        }
        Ok(None)
    }

    /// Carries out an opcode that spells out one value; false where it is another.
    fn literal(&mut self, opcode: u8) -> Result<bool, PickleError> {
        match opcode {
            // NONE, NEWTRUE, NEWFALSE
            b'N' => self.push(Value::None),
            0x88 => self.push(Value::Bool(true)),
            0x89 => self.push(Value::Bool(false)),
            // BININT, BININT1, BININT2
            b'J' => {
                let integer = i32::from_le_bytes(self.array()?);
                self.push(Value::Integer(integer.into()));
            }
            b'K' => {
                let integer = u8::from_le_bytes(self.array()?);
                self.push(Value::Integer(integer.into()));
            }
            b'M' => {
                let integer = u16::from_le_bytes(self.array()?);
                self.push(Value::Integer(integer.into()));
            }
            // LONG1, LONG4
            0x8a => {
                let length = self.length_u8()?;
                self.long(length)?;
            }
            0x8b => {
                let length = self.length_u32()?;
                self.long(length)?;
            }
            // BINFLOAT
            b'G' => {
                self.array::<8>()?;
                self.push(Value::Float);
            }
            // SHORT_BINUNICODE and SHORT_BINSTRING
            0x8c | b'U' => {
                let length = self.length_u8()?;
                self.text(length)?;
            }
            // BINUNICODE and BINSTRING
            b'X' | b'T' => {
                let length = self.length_u32()?;
                self.text(length)?;
            }
            // BINUNICODE8
            0x8d => {
                let length = u64::from_le_bytes(self.array()?);
                self.text(usize::try_from(length).unwrap_or(usize::MAX))?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Carries out an opcode that makes or fills a tuple, list or dict; false where it is another.
    fn collection(&mut self, opcode: u8) -> Result<bool, PickleError> {
        match opcode {
            // EMPTY_TUPLE, TUPLE1, TUPLE2, TUPLE3, TUPLE
            b')' => self.push(Value::Tuple(Vec::new())),
            0x85 => self.tuple::<1>()?,
            0x86 => self.tuple::<2>()?,
            0x87 => self.tuple::<3>()?,
            b't' => {
                let items = self.pop_to_mark()?;
                self.push(Value::Tuple(items));
            }
            // EMPTY_LIST, LIST, APPEND, APPENDS
            b']' => self.push(Value::List(Vec::new())),
            b'l' => {
                let items = self.pop_to_mark()?;
                self.push(Value::List(items));
            }
            b'a' => {
                let item = self.pop()?;
                self.append(&[item])?;
            }
            b'e' => {
                let items = self.pop_to_mark()?;
                self.append(&items)?;
            }
            // EMPTY_DICT, DICT, SETITEM, SETITEMS
            b'}' => self.push(Value::Dict(Vec::new())),
            b'd' => {
                let items = self.pop_to_mark()?;
                self.push(Value::Dict(Vec::new()));
                self.set_items(&items)?;
            }
            b's' => {
                let value = self.pop()?;
                let key = self.pop()?;
                self.set_items(&[key, value])?;
            }
            b'u' => {
                let items = self.pop_to_mark()?;
                self.set_items(&items)?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    pub(super) fn malformed(&self, problem: &'static str) -> PickleError {
        PickleError::Malformed {
            offset: self.opcode_offset,
            problem,
        }
    }

    /// Counts work that grows with the file, so that no file can ask for more than a set amount.
    pub(super) fn spend(&mut self, steps: usize) -> Result<(), PickleError> {
        self.steps = self.steps.saturating_add(steps);
        if self.steps > MAX_STEPS {
            return Err(PickleError::TooLong);
        }
        Ok(())
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], PickleError> {
        let bytes = self.bytes;
        let taken = self
            .position
            .checked_add(length)
            .and_then(|end| bytes.get(self.position..end))
            .ok_or(PickleError::CutShort {
                offset: bytes.len(),
            })?;
        self.position += length;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], PickleError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    fn length_u8(&mut self) -> Result<usize, PickleError> {
        self.array().map(|[length]| length.into())
    }

    fn length_u32(&mut self) -> Result<usize, PickleError> {
        let length = u32::from_le_bytes(self.array()?);
        Ok(usize::try_from(length).unwrap_or(usize::MAX))
    }

    /// The bytes up to the next line feed, which is passed over.
    fn line(&mut self) -> Result<&'a [u8], PickleError> {
        let rest = self.bytes.get(self.position..).unwrap_or_default();
        let length = rest
            .iter()
            .position(|byte| *byte == b'\n')
            .ok_or(PickleError::CutShort {
                offset: self.bytes.len(),
            })?;
        let line = self.take(length)?;
        self.take(1)?;
        Ok(line)
    }

    pub(super) fn push(&mut self, value: Value<'a>) {
        // There are at most as many values as steps, so the number fits.
        let id = Id(self.values.len() as u32);
        self.values.push(value);
        self.stack.push(id);
    }

    pub(super) fn get(&self, id: Id) -> &Value<'a> {
        // OK because numbers are only made by `push`, and values are never taken away.
        &self.values[id.0 as usize]
    }

    fn top(&self) -> Result<Id, PickleError> {
        let floor = self.marks.last().copied().unwrap_or(0);
        match self.stack.last() {
            Some(top) if self.stack.len() > floor => Ok(*top),
            _ => Err(self.malformed("wants a value where there is none")),
        }
    }

    pub(super) fn pop(&mut self) -> Result<Id, PickleError> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    fn pop_to_mark(&mut self) -> Result<Vec<Id>, PickleError> {
        match self.marks.pop() {
            // The stack is never lower than a mark, so this cannot panic.
            Some(height) => Ok(self.stack.split_off(height)),
            None => Err(self.malformed("wants a mark where there is none")),
        }
    }

    fn long(&mut self, length: usize) -> Result<(), PickleError> {
        let bytes = self.take(length)?;
        let value = if length <= 8 {
            let negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
            let mut extended = [if negative { 0xff } else { 0 }; 8];
            extended[..length].copy_from_slice(bytes);
            Value::Integer(i64::from_le_bytes(extended))
        } else {
            Value::LongInteger(bytes)
        };
        self.push(value);
        Ok(())
    }

    fn text(&mut self, length: usize) -> Result<(), PickleError> {
        let bytes = self.take(length)?;
        let text =
            str::from_utf8(bytes).map_err(|_| self.malformed("begins a text that is not UTF-8"))?;
        self.push(Value::Text(text));
        Ok(())
    }

    fn tuple<const N: usize>(&mut self) -> Result<(), PickleError> {
        let mut items = vec![Id(0); N];
        for item in items.iter_mut().rev() {
            *item = self.pop()?;
        }
        self.push(Value::Tuple(items));
        Ok(())
    }

    fn append(&mut self, items: &[Id]) -> Result<(), PickleError> {
        let list = self.top()?;
        match self.values.get_mut(list.0 as usize) {
            Some(Value::List(list)) => {
                list.extend_from_slice(items);
                Ok(())
            }
            _ => Err(self.malformed("appends to something other than a list")),
        }
    }

    /// Puts keys and values, which alternate in `items`, into the dict on top of the stack.
    fn set_items(&mut self, items: &[Id]) -> Result<(), PickleError> {
        let (pairs, rest) = items.as_chunks::<2>();
        let dict = self.top()?;
        match self.values.get_mut(dict.0 as usize) {
            Some(Value::Dict(entries)) if rest.is_empty() => {
                entries.extend(pairs.iter().map(|[key, value]| (*key, *value)));
                Ok(())
            }
            Some(Value::Dict(_)) => Err(self.malformed("sets a key without a value")),
            _ => Err(self.malformed("sets an entry of something other than a dict")),
        }
    }

    fn put(&mut self, place: u32) -> Result<(), PickleError> {
        let top = self.top()?;
        self.memo.insert(place, top);
        Ok(())
    }

    fn recall(&mut self, place: u32) -> Result<(), PickleError> {
        match self.memo.get(&place) {
            Some(id) => {
                self.stack.push(*id);
                Ok(())
            }
            None => Err(self.malformed("recalls a value that was never kept")),
        }
    }
}
