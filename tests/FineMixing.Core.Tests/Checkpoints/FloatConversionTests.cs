using System.Runtime.InteropServices;
using FineMixing.Checkpoints;

namespace FineMixing.Tests.Checkpoints;

public class FloatConversionTests
{
    // Ties to even in both directions, the largest numbers, subnormal ones, infinity, and NaN whose payload lies in the half that is cut off.
    private static readonly uint[] Special =
    [
        0, 0x80000000, 0x3F808000, 0x3F818000, 0x3F808001, 0x3F807FFF, 0x7F7FFFFF, 0xFF7FFFFF, 0x7F7F7FFF, 0x00000001, 0x00008000, 0x00018000, 0x7F800000, 0xFF800000, 0x7F800001, 0xFF80FFFF, 0x7FC00000, 0x7FFFFFFF,
    ];

    [Fact]
    public void FromFloat32_BFloat16_IsTheNearestAtEveryPlace()
    {
        var random = new Random(5);
        foreach (var count in Enumerable.Range(0, 50).Append(1_000_003))
        {
            var bits = new uint[count];
            for (var i = 0; i < count; i++)
                bits[i] = random.Next(3) == 0 ? Special[random.Next(Special.Length)] : (uint)random.NextInt64(1L << 32);
            var actual = new byte[2 * count];
            FloatConversion.FromFloat32(DType.BF16, MemoryMarshal.Cast<uint, float>(bits), actual);
            Assert.Equal(bits.Select(Nearest), MemoryMarshal.Cast<byte, ushort>(actual).ToArray());
        }
    }

    [Theory]
    [InlineData(0x3F808000u, 0x3F80)]
    [InlineData(0x3F818000u, 0x3F82)]
    [InlineData(0x7F7FFFFFu, 0x7F80)]
    [InlineData(0x7F800001u, 0x7FC0)]
    public void ToBFloat16_KnownValues_AreRounded(uint bits, int expected) =>
        Assert.Equal(expected, FloatConversion.ToBFloat16(BitConverter.UInt32BitsToSingle(bits)));

    [Theory]
    [InlineData(DType.BF16)]
    [InlineData(DType.F16)]
    [InlineData(DType.F64)]
    public void FromFloat32_WidenedValues_ComeBack(DType type)
    {
        var random = new Random(6);
        var bytes = new byte[type.BitSize() / 8 * 333];
        FloatConversion.FromFloat32(type, [.. Enumerable.Range(0, 333).Select(_ => random.NextSingle() - 0.5f)], bytes);
        var values = new float[333];
        FloatConversion.ToFloat32(type, bytes, values);
        var again = new byte[bytes.Length];
        FloatConversion.FromFloat32(type, values, again);
        Assert.Equal(bytes, again);
    }

    [Fact]
    public void ToFloat32_EveryBFloat16AtEveryPlace_HasItsBitsInTheUpperHalf()
    {
        for (var skipped = 0; skipped < 17; skipped++)
        {
            ushort[] patterns = [.. Enumerable.Range(skipped, 65536 - skipped).Select(i => (ushort)i)];
            var values = new float[patterns.Length];
            FloatConversion.ToFloat32(DType.BF16, MemoryMarshal.AsBytes<ushort>(patterns), values);
            Assert.True(MemoryMarshal.Cast<float, uint>(values).SequenceEqual(Array.ConvertAll(patterns, p => (uint)p << 16)));
        }
    }

    // By the distance to both neighbours, in double precision.
    private static ushort Nearest(uint bits)
    {
        var value = BitConverter.UInt32BitsToSingle(bits);
        if (float.IsNaN(value))
            return (ushort)((bits >> 16) | 0x40);
        var below = bits >> 16;
        if ((bits & 0xFFFF) == 0)
            return (ushort)below;

        // Beyond the largest number lies what would be the next one if the exponent had no end.
        double Magnitude(uint upper) => (upper & 0x7FFF) == 0x7F80 ? Math.Pow(2, 128) : Math.Abs((double)BitConverter.UInt32BitsToSingle(upper << 16));
        var (toBelow, toAbove) = (Math.Abs((double)value) - Magnitude(below), Magnitude(below + 1) - Math.Abs((double)value));
        return (ushort)(toBelow < toAbove || (toBelow == toAbove && below % 2 == 0) ? below : below + 1);
    }
}
