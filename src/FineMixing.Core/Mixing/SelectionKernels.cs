using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace FineMixing.Mixing;

/// <summary>Copies elements from one of two sources by a mask of 16-bit lanes, as raw bits.</summary>
internal static class SelectionKernels
{
    private const int LaneStep = 32;

    public static void Select(RandomMask mask, long start, int elementSize, ReadOnlySpan<byte> suspect, ReadOnlySpan<byte> @base, Span<byte> destination, bool nonTemporal)
    {
        var count = destination.Length / elementSize;
        Span<ushort> lanes = stackalloc ushort[MaskKernels.BlockElements + (2 * LaneStep)];

        // Streaming stores need whole, aligned cache lines: a first, shorter block ends on such a boundary.
        var first = nonTemporal ? ElementsToAlignment(destination) / elementSize : 0;
        var block = first == 0 ? MaskKernels.BlockElements : first;
        for (var done = 0; done < count;)
        {
            block = Math.Min(block, count - done);

            // Masks are made in whole words and vectors, so the lanes begin up to three elements early and end later.
            var early = (int)((start + done) % 4);
            var made = (block + early + LaneStep - 1) / LaneStep * LaneStep;
            mask.FillLanes(start + done - early, lanes[..made]);
            Select(lanes.Slice(early, block), elementSize, suspect.Slice(done * elementSize, block * elementSize), @base.Slice(done * elementSize, block * elementSize), destination.Slice(done * elementSize, block * elementSize), nonTemporal);
            done += block;
            block = MaskKernels.BlockElements;
        }
    }

    /// <summary>Selects one block: suspect where the lane is 0xFFFF, base where it is 0.</summary>
    public static void Select(ReadOnlySpan<ushort> lanes, int elementSize, ReadOnlySpan<byte> suspect, ReadOnlySpan<byte> @base, Span<byte> destination, bool nonTemporal = false)
    {
        var done = elementSize switch
        {
            2 => Select2(lanes, suspect, @base, destination, nonTemporal),
            4 => Select4(lanes, suspect, @base, destination, nonTemporal),
            8 => Select8(lanes, suspect, @base, destination, nonTemporal),
            _ => throw new ArgumentOutOfRangeException(nameof(elementSize), elementSize, "Elements of 2, 4 or 8 bytes can be mixed."),
        };
        for (; done < lanes.Length; done++)
            (lanes[done] != 0 ? suspect : @base).Slice(done * elementSize, elementSize).CopyTo(destination[(done * elementSize)..]);
    }

    /// <summary>How many elements there are before the first that begins a cache line; -1 when none does.</summary>
    public static unsafe int ElementsToAlignment<T>(Span<T> destination)
        where T : unmanaged
    {
        var missing = (int)(-(nint)Unsafe.AsPointer(ref MemoryMarshal.GetReference(destination)) & 63);
        return missing % sizeof(T) == 0 ? missing / sizeof(T) : -1;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static unsafe int Select2(ReadOnlySpan<ushort> lanes, ReadOnlySpan<byte> suspect, ReadOnlySpan<byte> @base, Span<byte> destination, bool nonTemporal)
    {
        fixed (ushort* mask = lanes)
        fixed (byte* s = suspect, b = @base, d = destination)
        {
            var i = 0;
            if (Vector512.IsHardwareAccelerated)
            {
                var streaming = nonTemporal && ((nuint)d & 63) == 0;
                for (; i <= lanes.Length - 32; i += 32)
                    Store(Vector512.ConditionalSelect(Vector512.Load(mask + i), Vector512.Load((ushort*)s + i), Vector512.Load((ushort*)b + i)), (ushort*)d + i, streaming);
            }
            else
            {
                // On machines with 128-bit vectors the JIT splits these in two.
                var streaming = nonTemporal && ((nuint)d & 31) == 0 && Vector256.IsHardwareAccelerated;
                for (; i <= lanes.Length - 16; i += 16)
                    Store(Vector256.ConditionalSelect(Vector256.Load(mask + i), Vector256.Load((ushort*)s + i), Vector256.Load((ushort*)b + i)), (ushort*)d + i, streaming);
            }

            return i;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static unsafe int Select4(ReadOnlySpan<ushort> lanes, ReadOnlySpan<byte> suspect, ReadOnlySpan<byte> @base, Span<byte> destination, bool nonTemporal)
    {
        fixed (ushort* mask = lanes)
        fixed (byte* s = suspect, b = @base, d = destination)
        {
            var i = 0;
            if (Vector512.IsHardwareAccelerated)
            {
                var streaming = nonTemporal && ((nuint)d & 63) == 0;
                for (; i <= lanes.Length - 32; i += 32)
                {
                    var (lower, upper) = Vector512.Widen(Vector512.Load((short*)mask + i));
                    Store(Vector512.ConditionalSelect(lower, Vector512.Load((int*)s + i), Vector512.Load((int*)b + i)), (int*)d + i, streaming);
                    Store(Vector512.ConditionalSelect(upper, Vector512.Load((int*)s + i + 16), Vector512.Load((int*)b + i + 16)), (int*)d + i + 16, streaming);
                }
            }
            else
            {
                var streaming = nonTemporal && ((nuint)d & 31) == 0 && Vector256.IsHardwareAccelerated;
                for (; i <= lanes.Length - 16; i += 16)
                {
                    var (lower, upper) = Vector256.Widen(Vector256.Load((short*)mask + i));
                    Store(Vector256.ConditionalSelect(lower, Vector256.Load((int*)s + i), Vector256.Load((int*)b + i)), (int*)d + i, streaming);
                    Store(Vector256.ConditionalSelect(upper, Vector256.Load((int*)s + i + 8), Vector256.Load((int*)b + i + 8)), (int*)d + i + 8, streaming);
                }
            }

            return i;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static unsafe int Select8(ReadOnlySpan<ushort> lanes, ReadOnlySpan<byte> suspect, ReadOnlySpan<byte> @base, Span<byte> destination, bool nonTemporal)
    {
        fixed (ushort* mask = lanes)
        fixed (byte* s = suspect, b = @base, d = destination)
        {
            var i = 0;
            var streaming = nonTemporal && ((nuint)d & 31) == 0 && Vector256.IsHardwareAccelerated;
            for (; i <= lanes.Length - 8; i += 8)
            {
                var (lower, upper) = Vector256.Widen(Vector256.WidenLower(Vector128.Load((short*)mask + i).ToVector256()));
                Store(Vector256.ConditionalSelect(lower, Vector256.Load((long*)s + i), Vector256.Load((long*)b + i)), (long*)d + i, streaming);
                Store(Vector256.ConditionalSelect(upper, Vector256.Load((long*)s + i + 4), Vector256.Load((long*)b + i + 4)), (long*)d + i + 4, streaming);
            }

            return i;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static unsafe void Store<T>(Vector512<T> value, T* target, bool streaming)
        where T : unmanaged
    {
        if (streaming)
            value.StoreAlignedNonTemporal(target);
        else
            value.Store(target);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static unsafe void Store<T>(Vector256<T> value, T* target, bool streaming)
        where T : unmanaged
    {
        if (streaming)
            value.StoreAlignedNonTemporal(target);
        else
            value.Store(target);
    }
}
