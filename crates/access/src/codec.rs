//! Little-endian fields of record bodies, read with every length checked.

/// The bytes end before the field does.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Short;

/// Takes fields off the front of a record's bytes.
pub(crate) struct Fields<'a>(pub &'a [u8]);

impl<'a> Fields<'a> {
    pub fn u8(&mut self) -> Result<u8, Short> {
        Ok(u8::from_le_bytes(self.array()?))
    }

    pub fn u16(&mut self) -> Result<u16, Short> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    pub fn u32(&mut self) -> Result<u32, Short> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub fn u64(&mut self) -> Result<u64, Short> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    pub fn bytes(&mut self, length: usize) -> Result<&'a [u8], Short> {
        let (bytes, rest) = self.0.split_at_checked(length).ok_or(Short)?;
        self.0 = rest;
        Ok(bytes)
    }

    pub fn rest(self) -> &'a [u8] {
        self.0
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Short> {
        let (bytes, rest) = self.0.split_first_chunk().ok_or(Short)?;
        self.0 = rest;
        Ok(*bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_come_off_in_order_and_never_past_the_end() {
        let mut fields = Fields(&[1, 2, 0, 3, 0, 0, 0, 9, 9]);
        assert_eq!((fields.u8(), fields.u16(), fields.u32()), (Ok(1), Ok(2), Ok(3)));
        assert_eq!(fields.u64(), Err(Short));
        assert_eq!(fields.bytes(3), Err(Short));
        assert_eq!(fields.bytes(1), Ok(&[9][..]));
        assert!(!fields.is_empty());
        assert_eq!(fields.rest(), [9]);
    }
}
