//! Just enough of classic BPF, as `seccomp(2)` takes it.

const LOAD: u16 = 0x20;
const JUMP: u16 = 0x05;
const JUMP_IF_EQUAL: u16 = 0x15;
const JUMP_IF_GREATER: u16 = 0x25;
const JUMP_IF_AT_LEAST: u16 = 0x35;
const JUMP_IF_ANY_BIT: u16 = 0x45;
const RETURN: u16 = 0x06;

/// `SECCOMP_RET_ALLOW` of `linux/seccomp.h`.
pub(super) const ALLOW: u32 = 0x7fff_0000;
/// `SECCOMP_RET_ERRNO` of `linux/seccomp.h`, to which the number is added.
pub(super) const ERRNO: u32 = 0x0005_0000;

/// Represents `struct sock_filter` of `linux/filter.h`.
#[derive(Clone, Copy)]
pub(super) struct Instruction {
    code: u16,
    /// Instructions to leave out when the condition holds.
    if_true: u8,
    /// Instructions to leave out when it does not.
    if_false: u8,
    value: u32,
}

/// Encodes instructions as the kernel reads them: in the machine's byte order, without padding.
pub(super) fn encode(filter: &[Instruction]) -> Vec<u8> {
    let bytes = |one: &Instruction| {
        let [low, high] = one.code.to_ne_bytes();
        let [a, b, c, d] = one.value.to_ne_bytes();
        [low, high, one.if_true, one.if_false, a, b, c, d]
    };
    filter.iter().flat_map(bytes).collect()
}

/// Names a part of `struct seccomp_data` of `linux/seccomp.h`.
#[derive(Clone, Copy)]
pub(super) enum Field {
    Number,
    Architecture,
    /// Lower half of an argument: the kernel looks at no more of the arguments that are compared here.
    Argument(u32),
}

impl Field {
    fn offset(self) -> u32 {
        let lower = if cfg!(target_endian = "little") { 0 } else { 4 };
        match self {
            Self::Number => 0,
            Self::Architecture => 4,
            Self::Argument(index) => 16 + 8 * index + lower,
        }
    }
}

/// Writes a filter, one check after the other.
#[derive(Default)]
pub(super) struct Assembler(Vec<Instruction>);

impl Assembler {
    fn add(&mut self, code: u16, value: u32, if_true: u8, if_false: u8) {
        self.0.push(Instruction { code, if_true, if_false, value });
    }

    pub(super) fn load(&mut self, field: Field) {
        self.add(LOAD, field.offset(), 0, 0);
    }

    pub(super) fn allow(&mut self) {
        self.add(RETURN, ALLOW, 0, 0);
    }

    pub(super) fn fail(&mut self, errno: u32) {
        self.add(RETURN, ERRNO | errno, 0, 0);
    }

    pub(super) fn allow_when_equal(&mut self, value: u32) {
        self.add(JUMP_IF_EQUAL, value, 0, 1);
        self.allow();
    }

    pub(super) fn fail_when_equal(&mut self, value: u32, errno: u32) {
        self.add(JUMP_IF_EQUAL, value, 0, 1);
        self.fail(errno);
    }

    pub(super) fn fail_when_any_bit(&mut self, bits: u32, errno: u32) {
        self.add(JUMP_IF_ANY_BIT, bits, 0, 1);
        self.fail(errno);
    }

    pub(super) fn fail_above(&mut self, last: u32, errno: u32) {
        self.add(JUMP_IF_GREATER, last, 0, 1);
        self.fail(errno);
    }

    pub(super) fn fail_between(&mut self, first: u32, last: u32, errno: u32) {
        self.add(JUMP_IF_AT_LEAST, first, 0, 2);
        self.add(JUMP_IF_GREATER, last, 1, 0);
        self.fail(errno);
    }

    /// Does `then`, which has to end with a return, when what was loaded is `value`. What was loaded stays otherwise.
    pub(super) fn when_equal(&mut self, value: u32, then: Assembler) {
        self.add(JUMP_IF_EQUAL, value, 1, 0);
        // Its distance may be longer than a condition's.
        self.add(JUMP, u32::try_from(then.0.len()).unwrap_or(u32::MAX), 0, 0);
        self.0.extend(then.0);
    }

    pub(super) fn instructions(self) -> Vec<Instruction> {
        self.0
    }
}

/// Describes the call that a filter decides about.
#[cfg(test)]
pub(super) struct Data {
    pub(super) architecture: u32,
    pub(super) number: u32,
    pub(super) arguments: [u32; 2],
}

/// Does what the kernel would do with the filter, so that those of other processors can be tried.
#[cfg(test)]
pub(super) fn run(filter: &[Instruction], data: &Data) -> u32 {
    let mut at = 0;
    let mut loaded = 0;
    loop {
        let Instruction { code, if_true, if_false, value } = filter[at];
        at += 1;
        let condition = match code {
            LOAD => {
                loaded = match value {
                    0 => data.number,
                    4 => data.architecture,
                    16 | 20 => data.arguments[0],
                    24 | 28 => data.arguments[1],
                    other => panic!("offset {other}"),
                };
                continue;
            }
            JUMP => {
                at += value as usize;
                continue;
            }
            RETURN => return value,
            JUMP_IF_EQUAL => loaded == value,
            JUMP_IF_GREATER => loaded > value,
            JUMP_IF_AT_LEAST => loaded >= value,
            JUMP_IF_ANY_BIT => loaded & value != 0,
            other => panic!("code {other:#x}"),
        };
        at += usize::from(if condition { if_true } else { if_false });
    }
}
