using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace FineMixing.Mixing;

internal enum MaskWhole
{
    None,
    Some,
    All,
}

/// <summary>What decides a Bernoulli mask: the two keys and the threshold split into 16 and 32 bits.</summary>
internal readonly record struct MaskParameters(ulong Key, ulong TieKey, ushort Upper, uint Lower, MaskWhole Whole)
{
    public static MaskParameters For(ulong key, ulong tieKey, double ratio)
    {
        var threshold = (ulong)Math.Round(ratio * (1UL << 48));
        return threshold switch
        {
            0 => new MaskParameters(key, tieKey, 0, 0, MaskWhole.None),
            >= 1UL << 48 => new MaskParameters(key, tieKey, 0, 0, MaskWhole.All),
            _ => new MaskParameters(key, tieKey, (ushort)(threshold >> 32), (uint)threshold, MaskWhole.Some),
        };
    }
}

/// <summary>The vector widths the kernels exist for.</summary>
internal enum KernelWidth
{
    Scalar,
    Vector128,
    Vector256,
    Vector512,
}

/// <summary>Makes Bernoulli masks as 16-bit lanes (0xFFFF kept, 0 not), the form the selection kernels read.</summary>
/// <remarks>Kernels are compiled with all optimisations at their first call: a process that mixes one pair would be done before the runtime finds out that they are hot.</remarks>
internal static class MaskKernels
{
    /// <summary>Lanes made at a time: 4 KiB, which stays in the first-level cache between making and using them.</summary>
    public const int BlockElements = 2048;

    // Values of 16 bits in a vector of 256.
    private const int Elements = 16;

    // How much of the suspect is copied apart at a time, where reading it and the base in turns would be slow.
    private const int ApartBytes = 512;

    private const int PageBytes = 4096;

    private const ulong Golden = 0x9E3779B97F4A7C15;
    private const ulong Mix1 = 0xBF58476D1CE4E5B9;
    private const ulong Mix2 = 0x94D049BB133111EB;

    // 64-bit multiplication is one instruction with AVX-512DQ and emulated below; the widest accelerated vector still wins.
    public static KernelWidth Best { get; } =
        Vector512.IsHardwareAccelerated ? KernelWidth.Vector512
        : Vector256.IsHardwareAccelerated ? KernelWidth.Vector256
        : Vector128.IsHardwareAccelerated ? KernelWidth.Vector128
        : KernelWidth.Scalar;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Finalize(ulong x)
    {
        x = (x ^ (x >> 30)) * Mix1;
        x = (x ^ (x >> 27)) * Mix2;
        return x ^ (x >> 31);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Word(ulong key, ulong index) => Finalize(key + (Golden * index));

    public static bool IsKept(in MaskParameters p, ulong index)
    {
        if (p.Whole != MaskWhole.Some)
            return p.Whole == MaskWhole.All;
        var bits = (ushort)(Word(p.Key, index / 4) >> (int)(index % 4 * 16));
        return bits < p.Upper || (bits == p.Upper && TieIsKept(p, index));
    }

    public static void Fill(in MaskParameters p, ulong start, Span<ushort> lanes) => Fill(p, start, lanes, Best);

    public static void Fill(in MaskParameters p, ulong start, Span<ushort> lanes, KernelWidth width)
    {
        if (p.Whole != MaskWhole.Some)
        {
            lanes.Fill(p.Whole == MaskWhole.All ? ushort.MaxValue : (ushort)0);
            return;
        }

        // Words hold four elements: walk to the next whole word, then by vectors, then the rest.
        var done = 0;
        for (; done < lanes.Length && (start + (ulong)done) % 4 != 0; done++)
            lanes[done] = Lane(p, start + (ulong)done);
        done += width switch
        {
            KernelWidth.Vector512 => Fill512(p, start + (ulong)done, lanes[done..]),
            KernelWidth.Vector256 => Fill256(p, start + (ulong)done, lanes[done..]),
            KernelWidth.Vector128 => Fill128(p, start + (ulong)done, lanes[done..]),
            _ => 0,
        };
        for (; done < lanes.Length; done++)
            lanes[done] = Lane(p, start + (ulong)done);
    }

    private static ushort Lane(in MaskParameters p, ulong index) => IsKept(p, index) ? ushort.MaxValue : (ushort)0;

    // Another mixer (Stafford's variant 13 has the constants above; these are MurmurHash3's) under another key: independent of the words.
    private static bool TieIsKept(in MaskParameters p, ulong index)
    {
        var x = p.TieKey + (0xD1342543DE82EF95 * index);
        x = (x ^ (x >> 33)) * 0xFF51AFD7ED558CCD;
        x = (x ^ (x >> 33)) * 0xC4CEB9FE1A85EC53;
        return (uint)((x ^ (x >> 33)) >> 32) < p.Lower;
    }

    // One in 65536 elements ties; whole vectors without a tie take the fast path.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Settle(in MaskParameters p, ulong start, Span<ushort> lanes)
    {
        for (var i = 0; i < lanes.Length; i++)
            lanes[i] = Lane(p, start + (ulong)i);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static int Fill512(in MaskParameters p, ulong start, Span<ushort> lanes)
    {
        const int Elements = 32;
        var upper = Vector512.Create(p.Upper);
        var counter = Vector512.Create(p.Key + (Golden * (start / 4))) + (Vector512<ulong>.Indices * Golden);
        var step = Vector512.Create(unchecked(Golden * 8));
        ref var target = ref MemoryMarshal.GetReference(lanes);
        var done = 0;
        for (; done <= lanes.Length - Elements; done += Elements)
        {
            var x = counter;
            x = (x ^ (x >>> 30)) * Mix1;
            x = (x ^ (x >>> 27)) * Mix2;
            var bits = (x ^ (x >>> 31)).AsUInt16();
            if (Vector512.EqualsAny(bits, upper))
                Settle(p, start + (ulong)done, lanes.Slice(done, Elements));
            else
                Vector512.LessThan(bits, upper).StoreUnsafe(ref target, (nuint)done);
            counter += step;
        }

        return done;
    }

    /// <summary>The 16 draws of four consecutive words.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector256<ushort> Bits(Vector256<ulong> counter)
    {
        var x = Multiply(counter ^ (counter >>> 30), Mix1);
        x = Multiply(x ^ (x >>> 27), Mix2);
        return (x ^ (x >>> 31)).AsUInt16();
    }

    // AVX2 has no 64-bit multiplication. Both crossed products of 32 bits at once, added in the upper halves, and the product of the lower halves make one.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<ulong> Multiply(Vector256<ulong> x, ulong factor)
    {
        if (!Avx2.IsSupported || Avx512DQ.VL.IsSupported)
            return x * factor;
        var crossed = Avx2.MultiplyLow(x.AsUInt32(), Vector256.Create(BitOperations.RotateLeft(factor, 32)).AsUInt32()).AsUInt64();
        return Avx2.Multiply(x.AsUInt32(), Vector256.Create(factor).AsUInt32()) + (((crossed << 32) + crossed) & Vector256.Create(0xFFFFFFFF00000000));
    }

    /// <summary>Selects by a mask that is made on the way, 16 elements at a time: making it costs next to nothing while the memory is waited for.</summary>
    /// <param name="p">The mask; neither empty nor full.</param>
    /// <param name="offset">Where the first element lies within its word of the mask.</param>
    /// <param name="start">The index of the first element, by which <paramref name="offset"/> goes.</param>
    /// <param name="suspect">Two or four bytes an element.</param>
    /// <param name="base">Of the same size.</param>
    /// <param name="destination">Of the same size; fastest where it begins with a cache line.</param>
    /// <param name="streaming">Store past the caches, if the destination is aligned to 32 bytes.</param>
    /// <param name="check">Whether all values of both sources are finite is found out on the way; without a check they count as finite.</param>
    /// <param name="finite">False where a NaN or infinity was met.</param>
    /// <returns>How many elements are done: all but fewer than 16.</returns>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static unsafe int Select<T, TOffset, TCheck>(in MaskParameters p, TOffset offset, ulong start, ReadOnlySpan<T> suspect, ReadOnlySpan<T> @base, Span<T> destination, bool streaming, TCheck check, out bool finite)
        where T : unmanaged
        where TOffset : struct, IWordOffset
        where TCheck : struct, IFiniteTest
    {
        var largest = Vector256<uint>.Zero;
        var constants = new LoopConstants(p.Upper);
        fixed (T* s = suspect, b = @base, d = destination)
        {
            // The collector may have moved the array since the caller looked where it lies.
            streaming &= ((nint)d & 31) == 0;
            var collide = Collide(s, b);
            var room = stackalloc byte[PageBytes + ApartBytes];
            var block = collide ? ApartBytes / sizeof(T) : destination.Length;
            var done = 0;
            while (done <= destination.Length - Elements)
            {
                var count = Math.Min(destination.Length - done, block);
                var kept = collide ? Apart(s + done, count, room) : s + done;
                done += SelectBlock(constants, p, offset, start + (ulong)done, kept, b + done, d + done, count, streaming, check, ref largest);
            }

            finite = check.IsFinite(largest);
            return done;
        }
    }

    // The first-level cache of AMD's processors tells lines apart by the lower 28 bits of their addresses (Lipp et al. 2020, "Take A Way"). Sources a multiple of 256 MB apart, as large arrays often are, drive each other's lines out of it when they are read in turns.
    private static unsafe bool Collide(void* first, void* second) => (((nint)first ^ (nint)second) & 0x0FFFFFFF & -PageBytes) == 0 && first != second;

    // A copy at the same place of a page, so that no load waits for a store whose address merely looks like its own.
    private static unsafe T* Apart<T>(T* source, int count, byte* room)
        where T : unmanaged
    {
        var copy = room + (((nint)source - (nint)room) & (PageBytes - 1));
        var bytes = count * sizeof(T);
        var done = 0;
        for (; done <= bytes - Vector256<byte>.Count; done += Vector256<byte>.Count)
            Vector256.Load((byte*)source + done).Store(copy + done);
        for (; done < bytes; done++)
            copy[done] = ((byte*)source)[done];
        return (T*)copy;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static unsafe int SelectBlock<T, TOffset, TCheck>(in LoopConstants constants, in MaskParameters p, TOffset offset, ulong start, T* suspect, T* @base, T* destination, int count, bool streaming, TCheck check, ref Vector256<uint> largest)
        where T : unmanaged
        where TOffset : struct, IWordOffset
        where TCheck : struct, IFiniteTest
    {
        var done = 0;
        while (true)
        {
            done += SelectToTie(constants, p, offset, start + (ulong)done, suspect + done, @base + done, destination + done, count - done, streaming, check, ref largest);
            if (done > count - Elements)
                return done;

            // A tie, or the last sixteen.
            Put(Settled(p, start + (ulong)done), suspect + done, @base + done, destination + done, streaming, check, ref largest);
            done += Elements;
        }
    }

    // Two vectors of the mask at a time, so that ties are looked for once for both. Nothing is called from here: a call would drive everything out of the registers.
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static unsafe int SelectToTie<T, TOffset, TCheck>(in LoopConstants constants, in MaskParameters p, TOffset offset, ulong start, T* suspect, T* @base, T* destination, int count, bool streaming, TCheck check, ref Vector256<uint> largest)
        where T : unmanaged
        where TOffset : struct, IWordOffset
        where TCheck : struct, IFiniteTest
    {
        var largestHere = largest;
        var (mix1, mix1Crossed, mix2, mix2Crossed, upperHalf) = (constants.Mix1, constants.Mix1Crossed, constants.Mix2, constants.Mix2Crossed, constants.UpperHalf);
        var (upper, signedUpper, sign, step) = (constants.Upper, constants.SignedUpper, constants.Sign, constants.Step);
        var counter = Vector256.Create(p.Key + (Golden * (start / 4))) + (Vector256<ulong>.Indices * Golden);
        var words = default(Vector256<ulong>);
        if (offset.Elements != 0)
        {
            words = Bits(counter).AsUInt64();
            counter += step;
        }

        // An element whose 16 bits equal a threshold without lower bits is not kept: there are no ties to settle.
        var ties = p.Lower != 0;
        var done = 0;
        for (; done <= count - (2 * Elements); done += 2 * Elements)
        {
            // The words' finaliser, step by step for both vectors in turn: one after the other, each would wait for itself.
            var x = counter;
            counter += step;
            var y = counter;
            counter += step;
            x ^= x >>> 30;
            y ^= y >>> 30;
            MultiplyBoth(ref x, ref y, mix1, mix1Crossed, upperHalf);
            x ^= x >>> 27;
            y ^= y >>> 27;
            MultiplyBoth(ref x, ref y, mix2, mix2Crossed, upperHalf);
            x ^= x >>> 31;
            y ^= y >>> 31;
            var first = offset.Draws(offset.Elements == 0 ? x : words, x);
            var second = offset.Draws(offset.Elements == 0 ? y : x, y);
            words = y;
            if (ties && (Vector256.Equals(first, upper) | Vector256.Equals(second, upper)) != Vector256<ushort>.Zero)
                break;
            Put(Vector256.GreaterThan(signedUpper, (first ^ sign).AsInt16()).AsUInt16(), suspect + done, @base + done, destination + done, streaming, check, ref largestHere);
            Put(Vector256.GreaterThan(signedUpper, (second ^ sign).AsInt16()).AsUInt16(), suspect + done + Elements, @base + done + Elements, destination + done + Elements, streaming, check, ref largestHere);
        }

        largest = largestHere;
        return done;
    }

    // As Multiply, for two.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void MultiplyBoth(ref Vector256<ulong> x, ref Vector256<ulong> y, Vector256<ulong> factor, Vector256<ulong> factorCrossed, Vector256<ulong> upperHalf)
    {
        if (!Avx2.IsSupported || Avx512DQ.VL.IsSupported)
        {
            x *= factor;
            y *= factor;
            return;
        }

        var crossedX = Avx2.MultiplyLow(x.AsUInt32(), factorCrossed.AsUInt32()).AsUInt64();
        var crossedY = Avx2.MultiplyLow(y.AsUInt32(), factorCrossed.AsUInt32()).AsUInt64();
        x = Avx2.Multiply(x.AsUInt32(), factor.AsUInt32());
        y = Avx2.Multiply(y.AsUInt32(), factor.AsUInt32());
        crossedX += crossedX << 32;
        crossedY += crossedY << 32;
        x += crossedX & upperHalf;
        y += crossedY & upperHalf;
    }

    /// <summary>What the loop of <see cref="SelectToTie"/> needs besides its data. It reads them from memory before it begins, so that they stay in registers: constants that the compiler knows are loaded anew in each round.</summary>
    private readonly struct LoopConstants(ushort upper)
    {
        public readonly Vector256<ulong> Mix1 = Vector256.Create(MaskKernels.Mix1);
        public readonly Vector256<ulong> Mix1Crossed = Vector256.Create(BitOperations.RotateLeft(MaskKernels.Mix1, 32));
        public readonly Vector256<ulong> Mix2 = Vector256.Create(MaskKernels.Mix2);
        public readonly Vector256<ulong> Mix2Crossed = Vector256.Create(BitOperations.RotateLeft(MaskKernels.Mix2, 32));
        public readonly Vector256<ulong> UpperHalf = Vector256.Create(0xFFFFFFFF00000000);
        public readonly Vector256<ulong> Step = Vector256.Create(unchecked(Golden * 4));
        public readonly Vector256<ushort> Upper = Vector256.Create(upper);
        public readonly Vector256<ushort> Sign = Vector256.Create((ushort)0x8000);

        // Unsigned numbers compare as signed ones whose highest bit is the other.
        public readonly Vector256<short> SignedUpper = Vector256.Create((ushort)(upper ^ 0x8000)).AsInt16();
    }

    // Selects sixteen elements.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static unsafe void Put<T, TCheck>(Vector256<ushort> lanes, T* suspect, T* @base, T* destination, bool streaming, TCheck check, ref Vector256<uint> largest)
        where T : unmanaged
        where TCheck : struct, IFiniteTest
    {
        if (sizeof(T) == sizeof(ushort))
        {
            var (kept, other) = (Vector256.Load((ushort*)suspect), Vector256.Load((ushort*)@base));
            largest = check.Larger(largest, kept.AsUInt32(), other.AsUInt32());
            SelectionKernels.Store(Pick(lanes, kept, other), (ushort*)destination, streaming);
        }
        else
        {
            var (lower, upper) = Vector256.Widen(lanes.AsInt16());
            var (kept, other) = (Vector256.Load((int*)suspect), Vector256.Load((int*)@base));
            largest = check.Larger(largest, kept.AsUInt32(), other.AsUInt32());
            SelectionKernels.Store(Pick(lower, kept, other), (int*)destination, streaming);
            (kept, other) = (Vector256.Load((int*)suspect + 8), Vector256.Load((int*)@base + 8));
            largest = check.Larger(largest, kept.AsUInt32(), other.AsUInt32());
            SelectionKernels.Store(Pick(upper, kept, other), (int*)destination + 8, streaming);
        }
    }

    // Sixteen lanes, one after the other.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static Vector256<ushort> Settled(in MaskParameters p, ulong start)
    {
        Span<ushort> lanes = stackalloc ushort[Vector256<ushort>.Count];
        Settle(p, start, lanes);
        return Vector256.Create<ushort>(lanes);
    }

    // One instruction where AVX-512's own is missing, instead of three.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<T> Pick<T>(Vector256<T> mask, Vector256<T> kept, Vector256<T> other) =>
        Avx2.IsSupported && !Avx512F.VL.IsSupported ? Avx2.BlendVariable(other.AsByte(), kept.AsByte(), mask.AsByte()).As<byte, T>() : Vector256.ConditionalSelect(mask, kept, other);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static int Fill256(in MaskParameters p, ulong start, Span<ushort> lanes)
    {
        var upper = Vector256.Create(p.Upper);
        var counter = Vector256.Create(p.Key + (Golden * (start / 4))) + (Vector256<ulong>.Indices * Golden);
        var step = Vector256.Create(unchecked(Golden * 4));
        ref var target = ref MemoryMarshal.GetReference(lanes);
        var done = 0;
        for (; done <= lanes.Length - Elements; done += Elements)
        {
            var bits = Bits(counter);
            if (Vector256.EqualsAny(bits, upper))
                Settle(p, start + (ulong)done, lanes.Slice(done, Elements));
            else
                Vector256.LessThan(bits, upper).StoreUnsafe(ref target, (nuint)done);
            counter += step;
        }

        return done;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static int Fill128(in MaskParameters p, ulong start, Span<ushort> lanes)
    {
        const int Elements = 8;
        var upper = Vector128.Create(p.Upper);
        var counter = Vector128.Create(p.Key + (Golden * (start / 4))) + (Vector128<ulong>.Indices * Golden);
        var step = Vector128.Create(unchecked(Golden * 2));
        ref var target = ref MemoryMarshal.GetReference(lanes);
        var done = 0;
        for (; done <= lanes.Length - Elements; done += Elements)
        {
            var x = counter;
            x = (x ^ (x >>> 30)) * Mix1;
            x = (x ^ (x >>> 27)) * Mix2;
            var bits = (x ^ (x >>> 31)).AsUInt16();
            if (Vector128.EqualsAny(bits, upper))
                Settle(p, start + (ulong)done, lanes.Slice(done, Elements));
            else
                Vector128.LessThan(bits, upper).StoreUnsafe(ref target, (nuint)done);
            counter += step;
        }

        return done;
    }
}
