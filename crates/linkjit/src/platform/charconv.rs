//! The tables that `<charconv>` of Microsoft's C++ library reads, and so `std::format` of floating-point numbers.
//! Microsoft's import library holds them; we compute them when code refers to them. They are those of Ryu (Ulf Adams,
//! "Ryū: Fast Float-to-String Conversion" and "Ryū Revisited: Printf Floating Point Conversion"), powers of ten, and
//! the greatest numbers of each decimal exponent.

/// The table of that name, as it is in memory.
pub(super) fn find(name: &[u8]) -> Option<Vec<u8>> {
    Some(match name {
        b"?__DOUBLE_POW5_INV_SPLIT@std@@3QAY01$$CB_KA" => bytes((0..292).flat_map(inverse_of_power_of_five)),
        b"?__DOUBLE_POW5_SPLIT@std@@3QAY01$$CB_KA" => bytes((0..326).flat_map(power_of_five)),
        b"?__POW10_SPLIT@std@@3QAY02$$CB_KA" => bytes(blocks_of_large_numbers().into_iter().flatten()),
        b"?__POW10_SPLIT_2@std@@3QAY02$$CB_KA" => bytes(blocks_of_small_numbers().into_iter().flatten()),
        b"?_Large_power_data@std@@3QBIB" => powers_of_ten().into_iter().flat_map(u32::to_le_bytes).collect(),
        b"?_Special_X_table@?$_General_precision_tables_2@M@std@@2QBIB" => narrow(rounded_below_ten(7, greatest_f32)),
        b"?_Ordinary_X_table@?$_General_precision_tables_2@M@std@@2QBIB" => narrow(below_ten(38, greatest_f32)),
        b"?_Special_X_table@?$_General_precision_tables_2@N@std@@2QB_KB" => bytes(rounded_below_ten(15, greatest_f64)),
        b"?_Ordinary_X_table@?$_General_precision_tables_2@N@std@@2QB_KB" => bytes(below_ten(308, greatest_f64)),
        _ => return None,
    })
}

fn bytes(words: impl IntoIterator<Item = u64>) -> Vec<u8> {
    words.into_iter().flat_map(u64::to_le_bytes).collect()
}

/// Numbers that are known to have 32 bits.
fn narrow(words: Vec<u64>) -> Vec<u8> {
    words.into_iter().flat_map(|word| (word as u32).to_le_bytes()).collect()
}

/// A natural number of any size: digits of 32 bits, the least first, of which the last is not zero.
#[derive(Clone)]
struct Natural(Vec<u32>);

impl Natural {
    fn power_of_two(exponent: u32) -> Self {
        let mut digits = vec![0; (exponent / 32) as usize];
        digits.push(1 << (exponent % 32));
        Self(digits)
    }

    fn bits(&self) -> u32 {
        self.0.last().map_or(0, |last| self.0.len() as u32 * 32 - last.leading_zeros())
    }

    fn multiply(&mut self, by: u32) {
        let mut carry = 0;
        for digit in &mut self.0 {
            carry += u64::from(*digit) * u64::from(by);
            *digit = carry as u32;
            carry >>= 32;
        }
        self.0.extend(Some(carry as u32).filter(|carry| *carry != 0));
    }

    /// Returns the remainder.
    fn divide(&mut self, by: u32) -> u32 {
        let mut rest = 0;
        for digit in self.0.iter_mut().rev() {
            rest = rest << 32 | u64::from(*digit);
            *digit = (rest / u64::from(by)) as u32;
            rest %= u64::from(by);
        }
        self.trim();
        rest as u32
    }

    fn trim(&mut self) {
        let end = self.0.iter().rposition(|digit| *digit != 0).map_or(0, |last| last + 1);
        self.0.truncate(end);
    }

    /// The number times a power of two; the part behind the point is cut off.
    fn shifted(&self, exponent: i32) -> Self {
        let bits = exponent.unsigned_abs();
        let (digits, bits) = ((bits / 32) as usize, bits % 32);
        let mut shifted = if exponent < 0 {
            let low = self.0.get(digits..).unwrap_or_default();
            let high = low.iter().skip(1).chain([&0]);
            low.iter()
                .zip(high)
                .map(|(low, high)| ((u64::from(*high) << 32 | u64::from(*low)) >> bits) as u32)
                .collect()
        } else {
            let low = [0].into_iter().chain(self.0.iter().copied());
            let high = self.0.iter().copied().chain([0]);
            let both = low.zip(high).map(|(low, high)| ((u64::from(high) << 32 | u64::from(low)) << bits >> 32) as u32);
            Self(vec![0; digits].into_iter().chain(both).collect())
        };
        shifted.trim();
        shifted
    }

    fn increment(&mut self) {
        for digit in &mut self.0 {
            let overflows;
            (*digit, overflows) = digit.overflowing_add(1);
            if !overflows {
                return;
            }
        }
        self.0.push(1);
    }

    /// The least of its words.
    fn words<const COUNT: usize>(&self) -> [u64; COUNT] {
        let digit = |at: usize| u64::from(self.0.get(at).copied().unwrap_or(0));
        std::array::from_fn(|at| digit(2 * at) | digit(2 * at + 1) << 32)
    }
}

impl FromIterator<u32> for Natural {
    fn from_iter<T: IntoIterator<Item = u32>>(digits: T) -> Self {
        Self(digits.into_iter().collect())
    }
}

fn power(base: u32, exponent: u32) -> Natural {
    let mut power = Natural(vec![1]);
    (0..exponent).for_each(|_| power.multiply(base));
    power
}

/// `2 ** (122 + log2(5 ** exponent)) / 5 ** exponent + 1`, rounded down.
fn inverse_of_power_of_five(exponent: u32) -> [u64; 2] {
    const BITS: u32 = 122;
    let mut quotient = Natural::power_of_two(power(5, exponent).bits() - 1 + BITS);
    (0..exponent).for_each(|_| _ = quotient.divide(5));
    quotient.increment();
    quotient.words()
}

/// The first 121 bits of `5 ** exponent`.
fn power_of_five(exponent: u32) -> [u64; 2] {
    const BITS: i32 = 121;
    let power = power(5, exponent);
    power.shifted(BITS - power.bits() as i32).words()
}

/// Decimal digits are made in blocks of nine.
const BLOCK: u32 = 1_000_000_000;
/// Tables have rows for each sixteenth binary exponent.
const STEP: u32 = 16;
/// The number of bits of a row that are behind the point for the least exponent.
const FRACTION: u32 = 120;

/// A number modulo a block, with `FRACTION + STEP` bits behind the point.
fn row(number: &Natural) -> [u64; 3] {
    const BEHIND: u32 = FRACTION + STEP;
    let block = number.shifted(-(BEHIND as i32)).divide(BLOCK);
    let [low, middle, high] = number.words();
    [low, middle, high & ((1 << (BEHIND % 64)) - 1) | u64::from(block) << (BEHIND % 64)]
}

/// `2 ** exponent / BLOCK ** i`, for numbers from 1 on.
fn blocks_of_large_numbers() -> Vec<[u64; 3]> {
    let mut rows = Vec::new();
    for exponent in (0..64).map(|step| step * STEP) {
        // As many blocks as the greatest of these numbers has.
        let digits_before = (u64::from(exponent) * 78_913) >> 18;
        let mut quotient = Natural::power_of_two(exponent + FRACTION);
        for _ in 0..(digits_before + 1 + 16).div_ceil(9) {
            let mut rounded = quotient.clone();
            rounded.increment();
            rows.push(row(&rounded));
            quotient.divide(BLOCK);
        }
    }
    rows
}

/// `BLOCK ** (i + 1) / 2 ** exponent`, for numbers below 1: the blocks before have no digits but zeros, those behind
/// all end.
fn blocks_of_small_numbers() -> Vec<[u64; 3]> {
    /// Numbers with such an exponent are less than two to the power of this, times theirs.
    const BITS: u32 = 54;
    let mut rows = Vec::new();
    for exponent in (0..68).map(|step| step * STEP) {
        let zeros = (u64::from(exponent.saturating_sub(BITS)) * 78_913) >> 18;
        let mut power = power(BLOCK, zeros as u32 / 9 + 1);
        loop {
            let row = row(&power.shifted(FRACTION as i32 - exponent as i32));
            if row == [0; 3] {
                break;
            }
            rows.push(row);
            power.multiply(BLOCK);
        }
    }
    rows
}

/// `10 ** 10`, `10 ** 20`, ... `10 ** 380`, each without the zeros that it ends with.
fn powers_of_ten() -> Vec<u32> {
    let mut power = Natural(vec![1]);
    let mut words = Vec::new();
    for _ in 0..38 {
        (0..10).for_each(|_| power.multiply(10));
        words.extend(power.0.iter().skip_while(|digit| **digit == 0));
    }
    words
}

/// The least decimal exponent for which numbers are written without one, less one.
const LEAST: i32 = -5;

/// The greatest numbers below `10 ** (exponent + 1)`, for each exponent.
fn below_ten(greatest_exponent: i32, greatest_below: fn(&str) -> u64) -> Vec<u64> {
    (LEAST..=greatest_exponent).map(|exponent| greatest_below(&format!("1e{}", exponent + 1))).collect()
}

/// The greatest numbers that are rounded to less than `10 ** (exponent + 1)`, for each precision and each exponent
/// below it. A number halfway between two is rounded up, for nine is odd.
fn rounded_below_ten(greatest_precision: i32, greatest_below: fn(&str) -> u64) -> Vec<u64> {
    let numbers = |precision: i32| {
        let nines = "9".repeat(precision as usize);
        (LEAST..precision).map(move |exponent| greatest_below(&format!("{nines}5e{}", exponent - precision)))
    };
    (1..=greatest_precision).flat_map(numbers).collect()
}

/// The representation of the greatest number below a decimal one.
fn greatest_f64(limit: &str) -> u64 {
    let nearest: f64 = limit.parse().unwrap_or(f64::INFINITY);
    if is_below(&format!("{nearest:.1100e}"), limit) { nearest } else { nearest.next_down() }.to_bits()
}

fn greatest_f32(limit: &str) -> u64 {
    let nearest: f32 = limit.parse().unwrap_or(f32::INFINITY);
    if is_below(&format!("{nearest:.200e}"), limit) { nearest } else { nearest.next_down() }.to_bits().into()
}

/// Says whether a number is less than another: both have all their digits, the first one point behind the first of them.
fn is_below(exact: &str, limit: &str) -> bool {
    let split = |number: &str| -> Option<(i32, String)> {
        let (digits, exponent) = number.split_once('e')?;
        let before_point = digits.split('.').next()?.len() as i32;
        let digits = digits.replace('.', "");
        Some((exponent.parse::<i32>().ok()? + before_point, digits.trim_end_matches('0').to_owned()))
    };
    // Infinity has no digits.
    split(exact).is_some_and(|exact| Some(exact) < split(limit))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Words of a row of a table.
    fn row_of<const WIDTH: usize>(name: &str, rows: usize, row: usize) -> [u64; WIDTH] {
        let table = find(name.as_bytes()).unwrap();
        assert_eq!(table.len(), rows * WIDTH * 8, "{name}");
        std::array::from_fn(|word| u64::from_le_bytes(table.as_chunks().0[row * WIDTH + word]))
    }

    /// A multiplication as `<charconv>` has it: the digits of a block of a number.
    fn block(fraction: u64, row: [u64; 3], shift: u32) -> u32 {
        let mut product = Natural(row.iter().flat_map(|word| [*word as u32, (word >> 32) as u32]).collect());
        let high = {
            let mut high = product.clone();
            high.multiply((fraction >> 32) as u32);
            high.shifted(32)
        };
        product.multiply(fraction as u32);
        let (mut sum, mut carry) = (Vec::new(), 0);
        for at in 0..=product.0.len().max(high.0.len()) {
            let digit = |number: &Natural| u64::from(number.0.get(at).copied().unwrap_or(0));
            carry += digit(&product) + digit(&high);
            sum.push(carry as u32);
            carry >>= 32;
        }
        Natural(sum).shifted(-(shift as i32)).divide(BLOCK)
    }

    #[test]
    fn rows_are_those_of_ryu() {
        let inverse = "?__DOUBLE_POW5_INV_SPLIT@std@@3QAY01$$CB_KA";
        assert_eq!(row_of(inverse, 292, 0), [1, 288_230_376_151_711_744]);
        assert_eq!(row_of(inverse, 292, 1), [3_689_348_814_741_910_324, 230_584_300_921_369_395]);
        let powers = "?__DOUBLE_POW5_SPLIT@std@@3QAY01$$CB_KA";
        assert_eq!(row_of(powers, 326, 0), [0, 72_057_594_037_927_936]);
        assert_eq!(row_of(powers, 326, 325), [2_850_236_603_241_744_433, 111_253_692_925_360_069]);
        let large = "?__POW10_SPLIT@std@@3QAY02$$CB_KA";
        assert_eq!(row_of(large, 1224, 1), [699_646_928_636_035_157, 72_057_594, 0]);
        let small = "?__POW10_SPLIT_2@std@@3QAY02$$CB_KA";
        assert_eq!(row_of(small, 3133, 3132), [0, 0, 33_000_000_000]);
    }

    /// Digits before and behind the point, as Rust writes them.
    #[test]
    fn blocks_have_the_digits_of_numbers() {
        let large = blocks_of_large_numbers();
        for number in [1e22, 123_456_789_123.0, 9.87e37, 2f64.powi(100)] {
            let (fraction, exponent) = parts(number);
            let step = if exponent < 0 { 0 } else { (exponent as u32).div_ceil(STEP) };
            // Rows of a step begin behind those of all before.
            let first: u64 = (0..step).map(|step| (((u64::from(step * STEP) * 78_913) >> 18) + 25) / 9).sum();
            let text = format!("{number:.0}");
            for (index, digits) in text.as_bytes().rchunks(9).enumerate() {
                let shift = (step * STEP + FRACTION) as i32 - exponent + 8;
                let found = block(fraction << 8, large[first as usize + index], shift as u32);
                let digits: u32 = std::str::from_utf8(digits).unwrap().parse().unwrap();
                assert_eq!(found, digits, "{text} block {index}");
            }
        }
    }

    fn parts(number: f64) -> (u64, i32) {
        let bits = number.to_bits();
        (bits & ((1 << 52) - 1) | 1 << 52, (bits >> 52) as i32 - 1075)
    }

    #[test]
    fn the_greatest_numbers_of_an_exponent_are_just_below_the_next() {
        assert_eq!(f64::from_bits(greatest_f64("95e-1")), 9.5f64.next_down());
        assert_eq!(greatest_f32("1e39"), f32::MAX.to_bits().into());
        assert_eq!(greatest_f64("1e309"), f64::MAX.to_bits());
        for (name, count) in [("Special", 195), ("Ordinary", 314)] {
            let table = find(format!("?_{name}_X_table@?$_General_precision_tables_2@N@std@@2QB_KB").as_bytes());
            assert_eq!(table.unwrap().len(), count * 8);
        }
        for (name, count) in [("Special", 63), ("Ordinary", 44)] {
            let table = find(format!("?_{name}_X_table@?$_General_precision_tables_2@M@std@@2QBIB").as_bytes());
            assert_eq!(table.unwrap().len(), count * 4);
        }
        let mut at = 0;
        let table = rounded_below_ten(15, greatest_f64);
        for precision in 1..=15usize {
            for exponent in LEAST..precision as i32 {
                let number = f64::from_bits(table[at]);
                for (number, exponent) in [(number, exponent), (number.next_up(), exponent + 1)] {
                    let text = format!("{number:.*e}", precision - 1);
                    assert!(text.ends_with(&format!("e{exponent}")), "{text} {exponent}");
                }
                at += 1;
            }
        }
        for (at, bits) in below_ten(308, greatest_f64).into_iter().enumerate() {
            let text = format!("{:.1100e}", f64::from_bits(bits));
            assert!(text.ends_with(&format!("e{}", at as i32 + LEAST)), "{text}");
        }
    }

    #[test]
    fn powers_of_ten_are_without_zeros_at_their_ends() {
        let words = powers_of_ten();
        assert_eq!(words.len(), 578);
        assert_eq!(words[..5], [0x540b_e400, 2, 0x6310_0000, 0x6bc7_5e2d, 5]);
        assert_eq!(words.last(), Some(&0x5099));
    }
}
