using System.Security.Cryptography;
using System.Text;
using FineMixing.Checkpoints;
using FineMixing.Mixing;
using FsCheck;
using FsCheck.Fluent;

namespace FineMixing.Tests.Mixing;

public class RandomMaskTests
{
    private const string Query = "encoder.layer.0.attention.self.query.weight";

    // Calculated by an independent implementation of the definition in RandomMask's remarks. These must never change: published results depend on them.
    [Theory]
    [InlineData(1UL, Query, 0.5, 0L, "1000011000011110001101001011000011010000110111100001100111011000")]
    [InlineData(1UL, Query, 0.3, 0L, "1000000000001010000100001000000011010000010011100001000010010000")]
    [InlineData(42UL, "ü", 0.9, (1L << 40) + 3, "0101111111111111110111111111111111111111111110111101111111110111")]
    public void Bernoulli_KnownAnswer_NeverChanges(ulong seed, string name, double ratio, long start, string expected) =>
        Assert.Equal(expected, Bits(RandomMask.Bernoulli(seed, name, ratio), start, 64));

    [Fact]
    public void Bernoulli_KnownAnswerOfManyElements_NeverChanges() =>
        // Among these 200,000 elements three need the tie-break.
        Assert.Equal("C82542996F971E661F6523A2D8EEE9B7D7D0698466A43C538C2BC849E4A1643E", Convert.ToHexString(SHA256.HashData(Encoding.ASCII.GetBytes(Bits(RandomMask.Bernoulli(7, "w", 0.3), 0, 200_000)))));

    [Fact]
    public void ExactCount_KnownAnswer_NeverChanges() =>
        Assert.Equal("0101010000100001100000000000110001000011011010100010010000011000", Bits(RandomMask.ExactCount(7, "w", 0.3, 64), 0, 64));

    [Fact]
    public void TensorKey_KnownAnswer_NeverChanges() => Assert.Equal(0x03C65160F8882309UL, RandomMask.TensorKey(1, Query));

    [Fact]
    public void Fill_AnyWidthStartAndLength_EqualsScalar() =>
        Prop.ForAll<ulong, uint, ushort>((key, begin, size) =>
        {
            var start = ((ulong)begin << 20) + (ulong)(size % 7);
            var length = size % 5000;
            foreach (var ratio in new[] { 0.3, 0.5, 1 - Math.Pow(2, -17), Math.Pow(2, -17) })
            {
                var parameters = MaskParameters.For(key, ~key, ratio);
                var expected = Enumerable.Range(0, length).Select(i => MaskKernels.IsKept(parameters, start + (ulong)i) ? ushort.MaxValue : (ushort)0).ToArray();
                foreach (var width in Enum.GetValues<KernelWidth>())
                {
                    var lanes = new ushort[length];
                    MaskKernels.Fill(parameters, start, lanes, width);
                    Assert.Equal(expected, lanes);
                }
            }
        }).QuickCheckThrowOnFailure();

    [Fact]
    public void Fill_ManyElements_EveryWidthMakesTheSameMask()
    {
        // About 60 ties are among them.
        var parameters = MaskParameters.For(11, 12, 0.7);
        var expected = new ushort[4_000_003];
        MaskKernels.Fill(parameters, 5, expected, KernelWidth.Scalar);
        foreach (var width in Enum.GetValues<KernelWidth>())
        {
            var lanes = new ushort[expected.Length];
            MaskKernels.Fill(parameters, 5, lanes, width);
            Assert.True(lanes.AsSpan().SequenceEqual(expected), $"{width} differs from the scalar reference.");
        }
    }

    [Theory]
    [InlineData(0.1)]
    [InlineData(0.3)]
    [InlineData(0.5)]
    [InlineData(0.9)]
    public void Bernoulli_MeanOverManyElements_WithinFourSigma(double ratio)
    {
        const long Count = 10_000_000;
        var kept = RandomMask.Bernoulli(3, "a", ratio).CountKept(0, Count);
        Assert.InRange((kept - (ratio * Count)) / Math.Sqrt(Count * ratio * (1 - ratio)), -4, 4);
    }

    [Fact]
    public void Bernoulli_SerialCorrelation_WithinFiveSigmaAtEveryLag()
    {
        const int Count = 2_000_000;
        const double Ratio = 0.3;
        var bits = Mask(RandomMask.Bernoulli(5, "a", Ratio), Count);
        foreach (var lag in new[] { 1, 2, 3, 4, 5, 7, 8, 15, 16, 31, 32, 64, 128, 256, 384, 768, 1024, 3072, 65536 })
            Assert.InRange(Correlation(bits.AsSpan(0, Count - lag), bits.AsSpan(lag), Ratio), -5, 5);
    }

    [Theory]
    [InlineData(5UL, "a", 6UL, "a")]
    [InlineData(5UL, "a", 5UL, "b")]
    [InlineData(5UL, "layer.1.weight", 5UL, "layer.2.weight")]
    [InlineData(0UL, "a", 1UL << 63, "a")]
    public void Bernoulli_OtherTensorOrSeed_IsIndependent(ulong seed1, string name1, ulong seed2, string name2)
    {
        const int Count = 2_000_000;
        var first = Mask(RandomMask.Bernoulli(seed1, name1, 0.4), Count);
        var second = Mask(RandomMask.Bernoulli(seed2, name2, 0.4), Count);
        Assert.InRange(Correlation(first, second, 0.4), -5, 5);
    }

    [Theory]
    [InlineData(0, false)]
    [InlineData(1, true)]
    public void Bernoulli_RatioZeroOrOne_KeepsNothingOrEverything(double ratio, bool kept)
    {
        var mask = RandomMask.Bernoulli(1, "a", ratio);
        Assert.Equal(kept, mask.IsFull);
        Assert.Equal(!kept, mask.IsEmpty);
        Assert.All(Mask(mask, 1001), bit => Assert.Equal(kept, bit));
        Assert.Equal(kept, mask[long.MaxValue]);
    }

    [Theory]
    [InlineData(-0.01)]
    [InlineData(1.01)]
    [InlineData(double.NaN)]
    public void Bernoulli_RatioOutOfRange_Throws(double ratio)
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => RandomMask.Bernoulli(1, "a", ratio));
        Assert.Throws<ArgumentOutOfRangeException>(() => RandomMask.ExactCount(1, "a", ratio, 5));
    }

    [Fact]
    public void ExactCount_AnyRatioAndSize_KeepsExactlyTheFloor() =>
        Prop.ForAll<ulong, ushort, ushort>((seed, size, thousandths) =>
        {
            var ratio = thousandths % 1001 / 1000.0;
            var mask = RandomMask.ExactCount(seed, "a", ratio, size);
            return Mask(mask, size).Count(b => b) == thousandths % 1001 * size / 1000;
        }).QuickCheckThrowOnFailure();

    [Theory]
    [InlineData(0.29, 100, 29)]
    [InlineData(0.5, 1, 0)]
    [InlineData(0.5, 2, 1)]
    [InlineData(1, 1, 1)]
    [InlineData(0, 5, 0)]
    [InlineData(0.3, 10_000_000_000L, 3_000_000_000L)]
    public void KeptCount_DecimalRatio_IsTheFloorOfTheDecimalProduct(double ratio, long count, long expected) =>
        Assert.Equal(expected, RandomMask.KeptCount(ratio, count));

    [Theory]
    [InlineData(2)]
    [InlineData(4)]
    [InlineData(8)]
    public void Select_AnyOffsetAlignmentAndStore_TakesTheRawBitsOfOneSide(int size)
    {
        var random = new System.Random(4);
        var mask = RandomMask.Bernoulli(9, "a", 0.6);
        foreach (var count in new[] { 0, 1, 2, 3, 31, 32, 33, 2047, 2048, 2049, 9999 })
        {
            foreach (var start in new long[] { 0, 1, 5, (1L << 33) + 2 })
            {
                var suspect = new byte[count * size];
                var @base = new byte[count * size];
                random.NextBytes(suspect);
                random.NextBytes(@base);
                var expected = Enumerable.Range(0, suspect.Length).Select(i => (mask[start + (i / size)] ? suspect : @base)[i]).ToArray();
                foreach (var streaming in new[] { false, true })
                {
                    var destination = new byte[suspect.Length + size];
                    mask.Select(start, size, suspect, @base, destination.AsSpan(size), streaming);
                    Assert.Equal(expected, destination[size..]);
                }

                mask.Select(start, size, suspect, @base, suspect);
                Assert.Equal(expected, suspect);
            }
        }
    }

    [Theory]
    [InlineData(2)]
    [InlineData(4)]
    public void Select_DestinationAnywhereInACacheLine_TakesTheSameElements(int size)
    {
        // Long enough that ties (one element in 65,536) come up at most starts.
        const int Count = 70_001;
        var random = new System.Random(5);
        var mask = RandomMask.Bernoulli(9, "a", 1 / 3.0);
        var suspect = new byte[Count * size];
        var @base = new byte[Count * size];
        random.NextBytes(suspect);
        random.NextBytes(@base);
        var room = GC.AllocateUninitializedArray<byte>((Count * size) + 64, pinned: true);
        for (var start = 0; start < 4; start++)
        {
            var kept = new bool[Count];
            for (var i = 0; i < Count; i++)
                kept[i] = mask[start + i];
            var expected = new byte[suspect.Length];
            for (var i = 0; i < expected.Length; i++)
                expected[i] = (kept[i / size] ? suspect : @base)[i];
            for (var place = 0; place < 64; place++)
            {
                var destination = room.AsSpan(place, suspect.Length);
                foreach (var streaming in new[] { false, true })
                {
                    destination.Clear();
                    mask.Select(start, size, suspect, @base, destination, streaming);
                    Assert.True(destination.SequenceEqual(expected), $"start {start}, place {place}, streaming {streaming}");
                }
            }
        }
    }

    // Arrays that begin on a boundary when a call begins may lie beside it when they are pinned, moved by the collector; an aligned store would then end the process.
    [Fact]
    public void KernelSelect_DestinationBesideABoundary_IsStoredToAllTheSame()
    {
        var mask = RandomMask.Bernoulli(1, "a", 0.5);
        var parameters = RandomMask.ParametersOf(1, "a", 0.5);
        var suspect = Enumerable.Range(1, 64).Select(i => (uint)i).ToArray();
        var @base = new uint[64];
        var room = GC.AllocateUninitializedArray<uint>(64 + 16, pinned: true);
        for (var place = 0; place < 16; place++)
        {
            var destination = room.AsSpan(place, 64);
            Assert.Equal(64, MaskKernels.Select(parameters, default(WholeWords), 0, suspect, @base, destination, streaming: true, default(NoFiniteTest), out _));
            for (var i = 0; i < 64; i++)
                Assert.Equal(mask[i] ? suspect[i] : 0, destination[i]);
        }
    }

    [Fact]
    public unsafe void Select_SourcesAMultipleOf256MegabytesApart_TakesTheSameElements()
    {
        const int Count = 5_003;
        const long Apart = 1L << 28;
        var mask = RandomMask.Bernoulli(9, "a", 0.4);

        // Pages that are not touched are not there.
        var memory = (byte*)System.Runtime.InteropServices.NativeMemory.Alloc((nuint)(Apart + (4 * Count)));
        try
        {
            var suspect = new Span<byte>(memory, 4 * Count);
            var @base = new Span<byte>(memory + Apart, 4 * Count);
            new System.Random(6).NextBytes(suspect);
            new System.Random(7).NextBytes(@base);
            var destination = new byte[4 * Count];
            mask.Select(3, 4, suspect, @base, destination, nonTemporal: true);
            for (var i = 0; i < destination.Length; i++)
                Assert.Equal((mask[3 + (i / 4)] ? suspect : @base)[i], destination[i]);
        }
        finally
        {
            System.Runtime.InteropServices.NativeMemory.Free(memory);
        }
    }

    [Theory]
    [InlineData(DType.F32, 0x7F800000, 0x7F7FFFFF)]
    [InlineData(DType.BF16, 0x7F80, 0x7F7F)]
    [InlineData(DType.F16, 0x7C00, 0x7BFF)]
    [InlineData(DType.F64, 0x7FF0000000000000, 0x7FEFFFFFFFFFFFFF)]
    public void SelectFinite_AnyPlace_FindsWhatIsNotFiniteAndNothingElse(DType type, long infinity, long largest)
    {
        var size = type.BitSize() / 8;
        var sign = 1L << ((size * 8) - 1);
        void Put(byte[] values, int index, long bits) => BitConverter.TryWriteBytes(values.AsSpan(index * size), bits);
        foreach (var (ratio, exact) in new[] { (0.6, false), (0.6, true), (0.0, false), (1.0, false) })
        {
            const int Count = 77;
            var mask = exact ? RandomMask.ExactCount(9, "a", ratio, Count + 5) : RandomMask.Bernoulli(9, "a", ratio);
            for (var index = 0; index < Count; index++)
            {
                foreach (var streaming in new[] { false, true })
                {
                    foreach (var side in new[] { 0, 1 })
                    {
                        foreach (var (bits, finite) in new[] { (infinity, false), (infinity | sign, false), (infinity + 1, false), (largest, true), (largest | sign, true) })
                        {
                            // Eight bytes are written: those beyond the value belong to the next one, or to the room at the end.
                            byte[][] sources = [new byte[(Count * size) + 8], new byte[(Count * size) + 8]];
                            Put(sources[side], index, bits);
                            var (suspect, @base) = (sources[0][..(Count * size)], sources[1][..(Count * size)]);
                            var destination = new byte[suspect.Length];
                            Assert.Equal(finite, mask.SelectFinite(5, type, suspect, @base, destination, streaming));
                            if (finite)
                                Assert.Equal(Enumerable.Range(0, suspect.Length).Select(i => (mask[5 + (i / size)] ? suspect : @base)[i]), destination);
                        }
                    }
                }
            }
        }
    }

    [Fact]
    public void Select_LengthsDiffer_Throws() =>
        Assert.Throws<ArgumentException>(() => RandomMask.Bernoulli(1, "a", 0.5).Select(0, 4, new byte[8], new byte[4], new byte[8]));

    // DOTNET_EnableAVX512=0, DOTNET_EnableAVX2=0 and DOTNET_EnableHWIntrinsic=0 switch widths off; the variable says which one should be left.
    [Fact]
    public void Best_WidthsSwitchedOff_IsTheExpectedWidth()
    {
        var expected = Environment.GetEnvironmentVariable("FINEMIXING_EXPECT_WIDTH");
        Assert.SkipWhen(string.IsNullOrEmpty(expected), "FINEMIXING_EXPECT_WIDTH is not set: any width is right.");
        Assert.Equal(expected, MaskKernels.Best.ToString());
    }

    private static bool[] Mask(RandomMask mask, int count)
    {
        var bits = new bool[count];
        mask.Fill(0, bits);
        return bits;
    }

    private static string Bits(RandomMask mask, long start, int count)
    {
        var bits = new bool[count];
        mask.Fill(start, bits);
        for (var i = 0; i < Math.Min(count, 1000); i++)
            Assert.Equal(mask[start + i], bits[i]);
        return string.Concat(bits.Select(b => b ? '1' : '0'));
    }

    // The correlation in units of its standard deviation under independence.
    private static double Correlation(ReadOnlySpan<bool> x, ReadOnlySpan<bool> y, double ratio)
    {
        double sum = 0;
        for (var i = 0; i < x.Length; i++)
            sum += ((x[i] ? 1 : 0) - ratio) * ((y[i] ? 1 : 0) - ratio);
        return sum / (ratio * (1 - ratio) * Math.Sqrt(x.Length));
    }
}
