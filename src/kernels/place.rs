//! Where the numbers of a planned run lie: in which buffer, and from where on.

/// A run of numbers in one of the buffers that a plan works on: its start and its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// In the plan's workspace.
    Workspace(usize, usize),
    /// In the arena of variables.
    Parameters(usize, usize),
    /// Among the plan's constants.
    Constants(usize, usize),
    /// In the arena of gradients, which has the layout of that of variables.
    Gradients(usize, usize),
}

impl Place {
    /// No numbers at all.
    pub(crate) const NOTHING: Place = Place::Constants(0, 0);

    /// Where it starts and ends in its buffer.
    pub(crate) fn bounds(self) -> (usize, usize) {
        let (start, length) = match self {
            Place::Workspace(start, length)
            | Place::Parameters(start, length)
            | Place::Constants(start, length)
            | Place::Gradients(start, length) => (start, length),
        };
        (start, start.saturating_add(length))
    }

    /// How many numbers there are.
    pub(crate) fn len(self) -> usize {
        let (start, end) = self.bounds();
        end - start
    }

    /// The number of its buffer.
    pub(super) fn buffer(self) -> usize {
        match self {
            Place::Workspace(..) => 0,
            Place::Parameters(..) => 1,
            Place::Constants(..) => 2,
            Place::Gradients(..) => 3,
        }
    }

    /// Whether the two have a number in common.
    pub(crate) fn meets(self, other: Place) -> bool {
        let ((a, b), (c, d)) = (self.bounds(), other.bounds());
        self.buffer() == other.buffer() && a.max(c) < b.min(d)
    }

    /// Whether a run may write there.
    pub(crate) fn is_writable(self) -> bool {
        matches!(self, Place::Workspace(..) | Place::Gradients(..))
    }

    /// The address of its first number.
    pub(super) fn address(self) -> Address {
        Address {
            buffer: self.buffer() as u8,
            offset: self.bounds().0,
        }
    }
}

/// The place of one number: a buffer by its number, and how far into it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Address {
    buffer: u8,
    offset: usize,
}

impl Address {
    /// No place: a null pointer.
    pub(super) const NOWHERE: Address = Address {
        buffer: 7,
        offset: 0,
    };

    /// Ones, without end as long as the stride is 0.
    pub(super) const ONES: Address = Address {
        buffer: 6,
        offset: 0,
    };

    /// The start of a buffer.
    pub(super) fn start(buffer: u8) -> Address {
        Address { buffer, offset: 0 }
    }

    /// The address `by` numbers further on; nowhere stays nowhere.
    #[inline(always)]
    pub(super) fn further(self, by: usize) -> Address {
        let is_somewhere = usize::from(self.buffer != Address::NOWHERE.buffer);
        Address {
            buffer: self.buffer,
            offset: self.offset + by * is_somewhere,
        }
    }

    /// Whether it is [`NOWHERE`](Self::NOWHERE).
    #[inline(always)]
    pub(super) fn is_nowhere(self) -> bool {
        self == Address::NOWHERE
    }
}

/// Where the buffers begin. The last is null, the one before it a single 1.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bases([*mut f32; 8]);

/// The buffer that panels of a right operand are packed in.
pub(super) const PANELS: u8 = 5;

impl Bases {
    /// Five buffers of numbers and one of panels.
    pub(super) fn new(buffers: [*mut f32; 5], panels: *mut f32) -> Self {
        static ONE: f32 = 1.0;
        let [a, b, c, d, e] = buffers;
        let one = (&raw const ONE).cast_mut();
        Bases([a, b, c, d, e, panels, one, std::ptr::null_mut()])
    }

    /// The same with other panels.
    pub(super) fn with_panels(mut self, panels: *mut f32) -> Self {
        self.0[usize::from(PANELS)] = panels;
        self
    }

    /// The pointer to an address. It may be read or written as far as its buffer may.
    #[inline(always)]
    pub(super) fn at(&self, address: Address) -> *mut f32 {
        // There are eight: the mask saves a check of bounds.
        self.0[usize::from(address.buffer & 7)].wrapping_add(address.offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_meet_only_in_one_buffer() {
        assert!(Place::Workspace(3, 4).meets(Place::Workspace(6, 1)));
        assert!(!Place::Workspace(3, 4).meets(Place::Workspace(7, 1)));
        assert!(!Place::Workspace(3, 4).meets(Place::Gradients(3, 4)));
        assert!(!Place::Workspace(3, 0).meets(Place::Workspace(0, 9)));
    }

    #[test]
    fn nowhere_is_null_however_far() {
        let bases = Bases::new([std::ptr::null_mut(); 5], std::ptr::null_mut());
        assert!(bases.at(Address::NOWHERE.further(5)).is_null());
        assert!(Address::NOWHERE.further(5).is_nowhere());
        assert!(!Place::Workspace(0, 1).address().is_nowhere());
    }
}
