using System.Buffers;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Security.Cryptography;
using System.Text;
using FineMixing.Checkpoints;

namespace FineMixing.Mixing;

/// <summary>The random 0/1 mask of Fine-mixing for one tensor: which elements keep the suspect's value.</summary>
/// <remarks>
/// <para>Counter-based: whether element i is kept depends on (seed, tensor name, ratio, i) and on nothing else, so the mask is the same for any
/// number of threads, chunk size, shard layout, element type, vector width and machine.</para>
/// <para>Definition (version 1, pinned by a known-answer test). H = SHA-256(seed as 8 little-endian bytes, then the tensor's name in UTF-8); key = the first
/// 8 bytes of H, little-endian, and tieKey, rankKey the next two groups of 8. Word w(j) = SplitMix64 finaliser of key + 0x9E3779B97F4A7C15 * j: x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9, x = (x ^ x >> 27) * 0x94D049BB133111EB, x ^ x >> 31 (Steele, Lea
/// and Flood, OOPSLA 2014); element i draws the 16 bits number i mod 4 (lowest first) of w(i / 4). With T = round(ratio * 2^48), halves to even, element i is
/// kept when its 16 bits are below T / 2^32, or equal to it and the upper 32 bits of another hash of i are below T mod 2^32: of x = tieKey + 0xD1342543DE82EF95 * i by MurmurHash3's finaliser, x = (x ^ x >> 33) * 0xFF51AFD7ED558CCD, x = (x ^ x >> 33) * 0xC4CEB9FE1A85EC53, x ^ x >> 33. So P(kept) = ratio
/// to within 2^-49 at the cost of two random bytes an element. Ratios 0 and 1 keep nothing and everything.</para>
/// <para>The exact-count form keeps exactly floor(ratio * count) elements: those with the smallest of <c>count</c> distinct 64-bit ranks, the words w(i) with
/// rankKey in place of key.</para>
/// </remarks>
public sealed class RandomMask
{
    private readonly MaskParameters _parameters;
    private readonly ulong _rankKey;
    private readonly ulong _rankBound;
    private readonly bool _exact;

    private RandomMask(MaskParameters parameters, ulong rankKey, ulong rankBound, bool exact)
    {
        _parameters = parameters;
        _rankKey = rankKey;
        _rankBound = rankBound;
        _exact = exact;
    }

    /// <summary>A mask that keeps each element independently with probability <paramref name="ratio"/>.</summary>
    /// <param name="seed">Any number.</param>
    /// <param name="name">The tensor's name.</param>
    /// <param name="ratio">The reserve ratio, 0..1.</param>
    /// <exception cref="ArgumentOutOfRangeException">The ratio is not within 0..1.</exception>
    public static RandomMask Bernoulli(ulong seed, string name, double ratio)
    {
        CheckRatio(ratio);
        var keys = Keys(seed, name);
        return new RandomMask(MaskParameters.For(keys.Key, keys.TieKey, ratio), 0, 0, exact: false);
    }

    /// <summary>A mask that keeps exactly floor(<paramref name="ratio"/> * <paramref name="count"/>) of the elements 0..count-1.</summary>
    /// <param name="seed">Any number.</param>
    /// <param name="name">The tensor's name.</param>
    /// <param name="ratio">The reserve ratio, 0..1.</param>
    /// <param name="count">The number of elements the mask covers.</param>
    /// <exception cref="ArgumentOutOfRangeException">The ratio is not within 0..1, or the count is negative.</exception>
    public static RandomMask ExactCount(ulong seed, string name, double ratio, long count)
    {
        CheckRatio(ratio);
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        var keys = Keys(seed, name);
        var kept = KeptCount(ratio, count);
        if (kept == 0 || kept == count)
            return new RandomMask(MaskParameters.For(keys.Key, keys.TieKey, kept == 0 ? 0 : 1), 0, 0, exact: false);
        return new RandomMask(default, keys.RankKey, RankSelection.Bound(keys.RankKey, count, kept), exact: true);
    }

    /// <summary>floor(ratio * count), robust to the last bit of a decimal ratio (0.29 of 100 is 29).</summary>
    public static long KeptCount(double ratio, long count) => Math.Clamp((long)Math.Floor((decimal)ratio * count), 0, count);

    /// <summary>The key of a tensor's mask: the first 8 bytes, little-endian, of SHA-256(seed, name).</summary>
    public static ulong TensorKey(ulong seed, string name) => Keys(seed, name).Key;

    /// <summary>What decides a Bernoulli mask, for implementations on other devices.</summary>
    internal static MaskParameters ParametersOf(ulong seed, string name, double ratio)
    {
        var keys = Keys(seed, name);
        return MaskParameters.For(keys.Key, keys.TieKey, ratio);
    }

    /// <summary>True when nothing is kept (ratio 0).</summary>
    public bool IsEmpty => !_exact && _parameters.Whole == MaskWhole.None;

    /// <summary>True when everything is kept (ratio 1).</summary>
    public bool IsFull => !_exact && _parameters.Whole == MaskWhole.All;

    /// <summary>Whether an element keeps the suspect's value: the scalar reference every vector kernel equals.</summary>
    /// <param name="index">The element's index in row-major order, from 0.</param>
    public bool this[long index] => _exact
        ? RankSelection.Rank(_rankKey, (ulong)index) < _rankBound
        : MaskKernels.IsKept(_parameters, (ulong)index);

    /// <summary>Writes the mask of the elements <paramref name="start"/>, start + 1, ...</summary>
    /// <param name="start">The first element, from 0.</param>
    /// <param name="kept">Filled completely: true where the suspect's value is kept.</param>
    public void Fill(long start, Span<bool> kept)
    {
        var lanes = ArrayPool<ushort>.Shared.Rent(MaskKernels.BlockElements);
        try
        {
            for (var done = 0; done < kept.Length;)
            {
                var block = lanes.AsSpan(0, Math.Min(MaskKernels.BlockElements, kept.Length - done));
                FillLanes(start + done, block);
                for (var i = 0; i < block.Length; i++)
                    kept[done + i] = block[i] != 0;
                done += block.Length;
            }
        }
        finally
        {
            ArrayPool<ushort>.Shared.Return(lanes);
        }
    }

    /// <summary>The number of kept elements among <paramref name="count"/> elements from <paramref name="start"/>.</summary>
    public long CountKept(long start, long count)
    {
        var lanes = ArrayPool<ushort>.Shared.Rent(MaskKernels.BlockElements);
        try
        {
            long kept = 0;
            for (long done = 0; done < count;)
            {
                var block = lanes.AsSpan(0, (int)Math.Min(MaskKernels.BlockElements, count - done));
                FillLanes(start + done, block);
                kept += block.Count(ushort.MaxValue);
                done += block.Length;
            }

            return kept;
        }
        finally
        {
            ArrayPool<ushort>.Shared.Return(lanes);
        }
    }

    /// <summary>Writes suspect values where the mask keeps them and base values elsewhere, by raw bits.</summary>
    /// <param name="start">The index of the first element within the tensor.</param>
    /// <param name="elementSize">2, 4 or 8 bytes.</param>
    /// <param name="suspect">Elements of the suspect.</param>
    /// <param name="base">The same elements of the base, in the same element type.</param>
    /// <param name="destination">Where the result goes; may be one of the sources.</param>
    /// <param name="nonTemporal">Writes past the caches: faster for large outputs in memory that are not read soon.</param>
    /// <exception cref="ArgumentException">Lengths differ or are no whole number of elements.</exception>
    public void Select(long start, int elementSize, ReadOnlySpan<byte> suspect, ReadOnlySpan<byte> @base, Span<byte> destination, bool nonTemporal = false)
    {
        if (suspect.Length != @base.Length || suspect.Length != destination.Length || suspect.Length % elementSize != 0)
            throw new ArgumentException($"Suspect ({suspect.Length} bytes), base ({@base.Length}) and destination ({destination.Length}) must have the same whole number of {elementSize}-byte elements.", nameof(destination));
        if (IsFull)
            suspect.CopyTo(destination);
        else if (IsEmpty)
            @base.CopyTo(destination);
        else if (_exact || elementSize > 4 || !Vector256.IsHardwareAccelerated)
            SelectionKernels.Select(this, start, elementSize, suspect, @base, destination, nonTemporal);
        else if (elementSize == 2)
            SelectFused<ushort, NoFiniteTest>(start, suspect, @base, destination, nonTemporal, default);
        else
            SelectFused<uint, NoFiniteTest>(start, suspect, @base, destination, nonTemporal, default);
    }

    /// <summary>Does the same, and finds out on the way whether all values of both sources are finite.</summary>
    /// <param name="start">The index of the first element within the tensor.</param>
    /// <param name="type">F32, F16, BF16 or F64, of both sources.</param>
    /// <param name="suspect">Elements of the suspect.</param>
    /// <param name="base">The same elements of the base.</param>
    /// <param name="destination">Where the result goes; may be one of the sources. What it holds is of no use if a value is not finite.</param>
    /// <param name="nonTemporal">Writes past the caches.</param>
    /// <returns>False if there is a NaN or infinity, kept or not.</returns>
    internal bool SelectFinite(long start, DType type, ReadOnlySpan<byte> suspect, ReadOnlySpan<byte> @base, Span<byte> destination, bool nonTemporal)
    {
        if (type is DType.F32 or DType.F16 or DType.BF16 && Vector256.IsHardwareAccelerated && !_exact && _parameters.Whole == MaskWhole.Some)
        {
            return type == DType.F32
                ? SelectFused<uint, FiniteTest32>(start, suspect, @base, destination, nonTemporal, default)
                : SelectFused<ushort, FiniteTest16>(start, suspect, @base, destination, nonTemporal, new FiniteTest16(type));
        }

        if (NonFiniteWeights.First(type, suspect) >= 0 || NonFiniteWeights.First(type, @base) >= 0)
            return false;
        Select(start, type.BitSize() / 8, suspect, @base, destination, nonTemporal);
        return true;
    }

    /// <summary>Has the kernels for the type of a checkpoint's weights compiled on another thread, while the caller goes on: a process that mixes one pair would wait for them.</summary>
    internal static void CompileKernels(ICheckpoint checkpoint)
    {
        if (checkpoint.Tensors.FirstOrDefault(t => t.DType.IsMixable())?.DType is { } type)
            new Thread(() => CompileKernels(type)) { IsBackground = true }.Start();
    }

    private static void CompileKernels(DType type)
    {
        // Aligned like the buffers of files, not as arrays are.
        using IMemoryOwner<byte> memory = new NativeBuffer(3 * 256);
        var bytes = memory.Memory.Span;
        Bernoulli(seed: 0, "", 0.5).SelectFinite(0, type, bytes[..256], bytes[256..512], bytes[512..], nonTemporal: false);
    }

    private bool SelectFused<T, TCheck>(long start, ReadOnlySpan<byte> suspectBytes, ReadOnlySpan<byte> baseBytes, Span<byte> destinationBytes, bool nonTemporal, TCheck check)
        where T : unmanaged
        where TCheck : struct, IFiniteTest
    {
        var suspect = MemoryMarshal.Cast<byte, T>(suspectBytes);
        var @base = MemoryMarshal.Cast<byte, T>(baseBytes);
        var destination = MemoryMarshal.Cast<byte, T>(destinationBytes);

        // One by one to where an aligned vector of the destination begins: stores past the caches need it, and no load or store of arrays that lie alike crosses a cache line.
        var aligned = SelectionKernels.ElementsToAlignment(destination);
        if (aligned < 0 || !SplitWords.IsSupported)
        {
            aligned = (int)(-start & 3);
            nonTemporal = false;
        }

        var first = Math.Min(aligned, destination.Length);
        var before = SelectEach(0, first, start, suspect, @base, destination, check);
        var within = (int)((start + first) & 3);
        bool finite;
        var done = first + (within == 0
            ? MaskKernels.Select(_parameters, default(WholeWords), (ulong)(start + first), suspect[first..], @base[first..], destination[first..], nonTemporal, check, out finite)
            : MaskKernels.Select(_parameters, new SplitWords(within), (ulong)(start + first), suspect[first..], @base[first..], destination[first..], nonTemporal, check, out finite));
        return SelectEach(done, destination.Length, start, suspect, @base, destination, check) && finite && before;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private bool SelectEach<T, TCheck>(int from, int to, long start, ReadOnlySpan<T> suspect, ReadOnlySpan<T> @base, Span<T> destination, TCheck check)
        where T : unmanaged
        where TCheck : struct, IFiniteTest
    {
        var largest = Vector256<uint>.Zero;
        for (var i = from; i < to; i++)
        {
            largest = check.Larger(largest, Vector256.CreateScalar(suspect[i]).AsUInt32(), Vector256.CreateScalar(@base[i]).AsUInt32());
            destination[i] = MaskKernels.IsKept(_parameters, (ulong)(start + i)) ? suspect[i] : @base[i];
        }

        return check.IsFinite(largest);
    }

    /// <summary>Writes 0xFFFF for kept elements and 0 for the others.</summary>
    internal void FillLanes(long start, Span<ushort> lanes)
    {
        if (_exact)
            RankSelection.FillLanes(_rankKey, _rankBound, (ulong)start, lanes);
        else
            MaskKernels.Fill(_parameters, (ulong)start, lanes);
    }

    private static (ulong Key, ulong TieKey, ulong RankKey) Keys(ulong seed, string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        const int OnStack = 512;
        var length = 8 + Encoding.UTF8.GetByteCount(name);
        Span<byte> text = length <= OnStack ? stackalloc byte[OnStack] : new byte[length];
        text = text[..length];
        System.Buffers.Binary.BinaryPrimitives.WriteUInt64LittleEndian(text, seed);
        Encoding.UTF8.GetBytes(name, text[8..]);
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(text, hash);
        return (System.Buffers.Binary.BinaryPrimitives.ReadUInt64LittleEndian(hash),
            System.Buffers.Binary.BinaryPrimitives.ReadUInt64LittleEndian(hash[8..]),
            System.Buffers.Binary.BinaryPrimitives.ReadUInt64LittleEndian(hash[16..]));
    }

    private static void CheckRatio(double ratio)
    {
        if (!(ratio >= 0 && ratio <= 1))
            throw new ArgumentOutOfRangeException(nameof(ratio), ratio, "A reserve ratio is a number from 0 (take the base) to 1 (keep the suspect).");
    }
}
