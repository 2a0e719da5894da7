//! Classes, functions and storages: what a pickle may refer to, and what stands in for a call.

use super::machine::Machine;
use super::{Global, Id, MAX_STEPS, PickleError, StorageClass, Value, shown};

impl Machine<'_> {
    pub(super) fn global(&mut self, module: &[u8], name: &[u8]) -> Result<(), PickleError> {
        let global = match (module, name) {
            (b"collections", b"OrderedDict") => Global::OrderedDict,
            (b"torch", b"Size") => Global::Size,
            (b"torch._utils", b"_rebuild_tensor") => Global::RebuildTensor,
            (b"torch._utils", b"_rebuild_tensor_v2") => Global::RebuildTensorV2,
            (b"torch._utils", b"_rebuild_parameter") => Global::RebuildParameter,
            (b"torch", b"FloatStorage") => Global::Storage(StorageClass::Float),
            (b"torch", b"HalfStorage") => Global::Storage(StorageClass::Half),
            (b"torch", b"BFloat16Storage") => Global::Storage(StorageClass::BFloat16),
            (b"torch", b"DoubleStorage") => Global::Storage(StorageClass::Double),
            (b"torch", b"LongStorage") => Global::Storage(StorageClass::Long),
            (b"torch", b"IntStorage") => Global::Storage(StorageClass::Int),
            (b"torch", b"ShortStorage") => Global::Storage(StorageClass::Short),
            (b"torch", b"CharStorage") => Global::Storage(StorageClass::Char),
            (b"torch", b"ByteStorage") => Global::Storage(StorageClass::Byte),
            (b"torch", b"BoolStorage") => Global::Storage(StorageClass::Bool),
            _ => {
                let module = shown(&String::from_utf8_lossy(module));
                let name = shown(&String::from_utf8_lossy(name));
                return Err(PickleError::Global {
                    name: format!("{module}.{name}"),
                });
            }
        };
        self.push(Value::Global(global));
        Ok(())
    }

    /// Stands in for a call: gives what `torch/_utils.py` would, as a value of this module.
    pub(super) fn reduce(&mut self) -> Result<(), PickleError> {
        let arguments = self.pop()?;
        let callable = self.pop()?;
        let (Value::Global(global), Value::Tuple(arguments)) =
            (self.get(callable), self.get(arguments))
        else {
            return Err(self.malformed("calls something that cannot be called"));
        };
        match (*global, arguments.as_slice()) {
            (Global::OrderedDict, []) => self.push(Value::Dict(Vec::new())),
            (Global::OrderedDict, &[pairs]) => self.ordered_dict(pairs)?,
            (Global::Size, &[shape]) if matches!(self.get(shape), Value::Tuple(_)) => {
                self.stack.push(shape);
            }
            (Global::RebuildParameter, &[tensor, _, _])
                if matches!(self.get(tensor), Value::Tensor { .. }) =>
            {
                self.stack.push(tensor);
            }
            (Global::RebuildTensor, &[storage, offset, shape, strides])
            | (Global::RebuildTensorV2, &[storage, offset, shape, strides, _, _])
                if matches!(self.get(storage), Value::Storage { .. }) =>
            {
                self.push(Value::Tensor {
                    storage,
                    offset,
                    shape,
                    strides,
                });
            }
            // A seventh argument says that the values are to be negated or conjugated.
            (Global::RebuildTensorV2, [_, _, _, _, _, _, _]) => {
                return Err(self.malformed("makes a tensor that is a lazy view of another"));
            }
            _ => return Err(self.malformed("calls a function with arguments it does not take")),
        }
        Ok(())
    }

    /// An `OrderedDict` made from a list of pairs, as Python 2 wrote them.
    fn ordered_dict(&mut self, pairs: Id) -> Result<(), PickleError> {
        let Value::List(pairs) = self.get(pairs) else {
            return Err(self.malformed("makes a dict from something other than a list"));
        };
        let mut entries = Vec::new();
        // The list may be copied again and again, so each copy counts as so many steps.
        let copied = pairs.len();
        if self.steps.saturating_add(copied) <= MAX_STEPS {
            entries.reserve_exact(copied);
            for pair in pairs {
                match self.get(*pair) {
                    Value::List(pair) | Value::Tuple(pair) if pair.len() == 2 => {
                        entries.push((pair[0], pair[1]));
                    }
                    _ => return Err(self.malformed("makes a dict from a list without pairs")),
                }
            }
        }
        self.spend(copied)?;
        self.push(Value::Dict(entries));
        Ok(())
    }

    /// The storage a persistent id stands for, as `persistent_id` of `torch/serialization.py`
    /// makes them.
    pub(super) fn persistent(&mut self) -> Result<(), PickleError> {
        let reference = self.pop()?;
        let Value::Tuple(parts) = self.get(reference) else {
            return Err(self.malformed("refers to a storage by something other than a tuple"));
        };
        let (kind, class, key, elements) = match *parts.as_slice() {
            [kind, class, key, _, elements] => (kind, class, key, elements),
            [kind, class, key, _, elements, view] if matches!(self.get(view), Value::None) => {
                (kind, class, key, elements)
            }
            [_, _, _, _, _, _] => {
                return Err(self.malformed("refers to a view of a storage, which is not supported"));
            }
            _ => return Err(self.malformed("refers to something other than a storage")),
        };
        let (
            Value::Text("storage"),
            Value::Global(Global::Storage(class)),
            Value::Text(_),
            Value::Integer(elements),
        ) = (
            self.get(kind),
            self.get(class),
            self.get(key),
            self.get(elements),
        )
        else {
            return Err(self.malformed("refers to something other than a storage"));
        };
        let class = *class;
        let elements = usize::try_from(*elements)
            .map_err(|_| self.malformed("gives a storage a negative size"))?;
        self.push(Value::Storage {
            class,
            key,
            elements,
        });
        Ok(())
    }
}
