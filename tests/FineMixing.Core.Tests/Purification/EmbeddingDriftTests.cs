using FineMixing.Checkpoints;
using FineMixing.Purification;

namespace FineMixing.Tests.Purification;

public class EmbeddingDriftTests
{
    private static readonly DType[] Types = [DType.F32, DType.BF16, DType.F16, DType.F64];

    public static TheoryData<DType, DType> Pairs
    {
        get
        {
            var data = new TheoryData<DType, DType>();
            foreach (var x in Types)
            {
                foreach (var y in Types)
                    data.Add(x, y);
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Pairs))]
    public void SquaredDistance_AnyTypesLengthAndScale_IsTheSumInDoublePrecision(DType x, DType y)
    {
        var random = new Random(1);
        foreach (var columns in new[] { 1, 15, 16, 17, 100, 771 })
        {
            // Half precision is subnormal below 6e-5: one number in ten.
            var (a, b) = (Row(random, x, columns), Row(random, y, columns));
            foreach (var scale in new[] { 1f, 0.75f })
            {
                var expected = a.ToFloat32().Zip(b.ToFloat32(), (p, q) => Math.Pow(p - ((double)q * scale), 2)).Sum();
                Assert.Equal(expected, EmbeddingDrift.SquaredDistance(x, a.Bytes, y, b.Bytes, columns, scale), expected * 1e-6);
            }
        }
    }

    [Theory]
    [InlineData(DType.F32)]
    [InlineData(DType.BF16)]
    [InlineData(DType.F16)]
    public void SquaredDistance_NotFinite_IsNotANumber(DType type)
    {
        foreach (var value in new[] { float.NaN, float.PositiveInfinity, float.NegativeInfinity })
        {
            foreach (var at in new[] { 0, 9, 17 })
            {
                var values = new float[18];
                values[at] = value;
                var row = HostTensor.FromFloat32("row", [18], values).ConvertTo(type);
                Assert.False(double.IsFinite(EmbeddingDrift.SquaredDistance(type, row.Bytes, type, new byte[row.Bytes.Length], 18)));
            }
        }
    }

    [Fact]
    public void SquaredDistance_EveryHalfPrecisionNumber_IsReadExactly()
    {
        var bytes = new byte[32];
        for (var bits = 0; bits < 1 << 16; bits++)
        {
            var half = BitConverter.UInt16BitsToHalf((ushort)bits);
            BitConverter.TryWriteBytes(bytes.AsSpan(6), half);
            var distance = EmbeddingDrift.SquaredDistance(DType.F16, bytes, DType.F16, new byte[32], 16);
            if (Half.IsFinite(half))
                Assert.Equal((double)half * (double)half, distance);
            else
                Assert.False(double.IsFinite(distance));
        }
    }

    // Alone among usual numbers, and in a row of its own.
    [Theory]
    [InlineData(1)]
    [InlineData(32)]
    public void SquaredDistances_EveryHalfPrecisionNumber_IsReadExactly(int times)
    {
        var row = new Half[32];
        var bytes = new byte[64];
        var result = new double[1];
        for (var bits = 0; bits < 1 << 16; bits++)
        {
            var half = BitConverter.UInt16BitsToHalf((ushort)bits);
            Array.Fill(row, (Half)1);
            Array.Fill(row, half, bits % (33 - times), times);
            System.Runtime.InteropServices.MemoryMarshal.AsBytes(row.AsSpan()).CopyTo(bytes);
            EmbeddingDrift.SquaredDistances(DType.F16, bytes, DType.F16, new byte[64], 32, 1, result);
            var expected = row.Sum(v => (double)v * (double)v);
            if (Half.IsFinite(half))
                Assert.Equal(expected, result[0], 1e-6 * expected);
            else
                Assert.False(double.IsFinite(result[0]));
        }
    }

    [Theory]
    [MemberData(nameof(Pairs))]
    public void SquaredDistances_AnyTypesAndLength_AreTheSingleOnesToOnePartInAMillion(DType x, DType y)
    {
        var random = new Random(2);
        foreach (var columns in new[] { 1, 16, 127, 128, 129, 384, 771 })
        {
            // As in fine-tuning, most differences are small; one row is equal, one out of single precision's range where the type allows it.
            HostTensor[] a = [.. Enumerable.Range(0, 6).Select(_ => Row(random, x, columns))];
            HostTensor[] b = [.. a.Select((row, i) => HostTensor.FromFloat32("row", [columns], [.. row.ToFloat32().Select(v => i switch { 0 => v, 1 => v * 2, _ => v + (0.02f * random.NextSingle()) })]).ConvertTo(y))];
            if (x == DType.BF16)
            {
                a[3] = HostTensor.FromFloat32("row", [columns], [.. Enumerable.Repeat(1e30f, columns)]).ConvertTo(x);
                a[4] = HostTensor.FromFloat32("row", [columns], [.. Enumerable.Repeat(1e-30f, columns)]).ConvertTo(x);
                b[4] = HostTensor.FromFloat32("row", [columns], new float[columns]).ConvertTo(y);
            }

            var result = new double[a.Length];
            EmbeddingDrift.SquaredDistances(x, [.. a.SelectMany(r => r.Bytes)], y, [.. b.SelectMany(r => r.Bytes)], columns, 1, result);
            for (var i = 0; i < a.Length; i++)
            {
                var single = EmbeddingDrift.SquaredDistance(x, a[i].Bytes, y, b[i].Bytes, columns);
                Assert.Equal(single, result[i], single * 1e-6);
                if (x == DType.F32 && y == DType.F32)
                    Assert.Equal(single, result[i], single * 1.2e-7);
                else if (x is DType.F32 or DType.F64 || y is DType.F32 or DType.F64)
                    Assert.Equal(single, result[i]);
            }
        }
    }

    [Theory]
    [InlineData(DType.BF16, 256)]
    [InlineData(DType.BF16, 384)]
    [InlineData(DType.BF16, 771)]
    [InlineData(DType.F16, 384)]
    [InlineData(DType.F16, 771)]
    public void SquaredDistances_HalfPrecision_IsTheSumInThisOrderWhateverTheVectors(DType type, int columns)
    {
        var random = new Random(3);
        var (a, b) = (Row(random, type, columns), Row(random, type, columns));
        var (x, y) = (a.ToFloat32(), b.ToFloat32());
        var sums = new double[16];
        var end = columns - (columns % 32);
        for (var start = 0; start < end; start += 256)
        {
            // Even and odd elements apart, in lanes of pairs; a block of 256 at a time, the last may be shorter.
            var (even, odd) = (new float[16], new float[16]);
            for (var i = start; i < Math.Min(end, start + 256); i++)
            {
                var (lane, difference) = (i % 32 / 2, x[i] - y[i]);
                ref var sum = ref (i % 2 == 0 ? even : odd)[lane];
                sum = MathF.FusedMultiplyAdd(difference, difference, sum);
            }

            for (var lane = 0; lane < 16; lane++)
                sums[lane] += even[lane] + odd[lane];
        }

        var rest = EmbeddingDrift.SquaredDistance(type, a.Bytes.AsSpan(2 * end), type, b.Bytes.AsSpan(2 * end), columns - end);
        var result = new double[1];
        EmbeddingDrift.SquaredDistances(type, a.Bytes, type, b.Bytes, columns, 1, result);
        Assert.Equal(rest + sums.Aggregate(0.0, (total, lane) => total + lane), result[0]);
    }

    [Theory]
    [InlineData(16)]
    [InlineData(771)]
    public void SquaredDistances_SinglePrecision_IsTheSumInThisOrderWhateverTheVectors(int columns)
    {
        var random = new Random(3);
        var (a, b) = (Row(random, DType.F32, columns), Row(random, DType.F32, columns));
        var (x, y) = (a.ToFloat32(), b.ToFloat32());
        var sums = new double[16];
        var end = columns - (columns % 16);
        for (var i = 0; i < end; i++)
        {
            double difference = x[i] - y[i];
            sums[i % 16] = Math.FusedMultiplyAdd(difference, difference, sums[i % 16]);
        }

        var rest = EmbeddingDrift.SquaredDistance(DType.F32, a.Bytes.AsSpan(4 * end), DType.F32, b.Bytes.AsSpan(4 * end), columns - end);
        var result = new double[1];
        EmbeddingDrift.SquaredDistances(DType.F32, a.Bytes, DType.F32, b.Bytes, columns, 1, result);
        Assert.Equal(rest + sums.Aggregate(0.0, (total, lane) => total + lane), result[0]);
    }

    private static HostTensor Row(Random random, DType type, int columns) =>
        HostTensor.FromFloat32("row", [columns], [.. Enumerable.Range(0, columns).Select(i => ((2 * random.NextSingle()) - 1) * (i % 10 == 3 ? 4e-5f : 1))]).ConvertTo(type);
}
