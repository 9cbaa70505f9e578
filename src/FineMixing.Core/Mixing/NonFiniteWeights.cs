using System.Globalization;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using FineMixing.Checkpoints;

namespace FineMixing.Mixing;

/// <summary>Finds NaN and infinite weights among those a plan reads.</summary>
internal static class NonFiniteWeights
{
    private const int ChunkBytes = 1 << 20;
    private const int Shown = 50;

    /// <summary>Reads all weights the plan uses and refuses them if any is NaN or infinite.</summary>
    /// <exception cref="ArgumentException">Lists such tensors with their first such element, and counts those beyond fifty.</exception>
    public static void ThrowIfAny(MixPlan plan, ICheckpoint suspect, ICheckpoint @base, IReadOnlyList<ICheckpoint> others, CancellationToken ct)
    {
        var found = new List<string>();
        WorkerThreads.Run(Inputs(), plan.Options.ThreadCount, item =>
        {
            var index = Find(item.Model, item.Tensor, ct);
            if (index >= 0)
            {
                lock (found)
                    found.Add(string.Create(CultureInfo.InvariantCulture, $"tensor '{item.Tensor.Name}' of the {item.Role} {item.Model.Location} has a NaN or infinity at element {index}"));
            }
        }, ct);
        if (found.Count > 0)
        {
            var more = found.Count > Shown ? string.Create(CultureInfo.InvariantCulture, $"; and {found.Count - Shown} more") : "";
            throw new ArgumentException($"Weights that are not finite numbers cannot be mixed: {string.Join("; ", found.Order(StringComparer.Ordinal).Take(Shown))}{more}.");
        }

        IEnumerable<(string Role, ICheckpoint Model, TensorInfo Tensor)> Inputs()
        {
            foreach (var tensor in plan.Tensors)
            {
                if (tensor.Action is TensorAction.Mixed or TensorAction.Suspect)
                    yield return ("suspect", suspect, tensor.Suspect);
                if (tensor.Base is { } info && plan.ReadsBase(tensor))
                    yield return ("base", @base, info);
                for (var i = 0; i < tensor.Others.Count; i++)
                    yield return ("model", others[i], tensor.Others[i]);
            }
        }
    }

    /// <summary>The index of the first NaN or infinity, or -1; always -1 for types that are not mixed.</summary>
    public static long First(DType dtype, ReadOnlySpan<byte> bytes) => dtype switch
    {
        // All exponent bits set means infinity or NaN.
        DType.F32 => First<uint>(bytes, 0x7F800000),
        DType.BF16 => First<ushort>(bytes, 0x7F80),
        DType.F16 => First<ushort>(bytes, 0x7C00),
        DType.F64 => First<ulong>(bytes, 0x7FF0000000000000),
        _ => -1,
    };

    private static long Find(ICheckpoint model, TensorInfo tensor, CancellationToken ct)
    {
        if (!tensor.DType.IsMixable())
            return -1;
        if (model is StateDict dict)
            return First(tensor.DType, dict[tensor.Name].Bytes);
        var buffer = new byte[Math.Min(ChunkBytes, tensor.ByteLength)];
        for (long offset = 0; offset < tensor.ByteLength; offset += ChunkBytes)
        {
            ct.ThrowIfCancellationRequested();
            var chunk = buffer.AsSpan(0, (int)Math.Min(ChunkBytes, tensor.ByteLength - offset));
            model.Read(tensor, offset, chunk);
            var index = First(tensor.DType, chunk);
            if (index >= 0)
                return (offset / (tensor.DType.BitSize() / 8)) + index;
        }

        return -1;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static long First<T>(ReadOnlySpan<byte> bytes, T exponent)
        where T : unmanaged, IBinaryInteger<T>
    {
        var values = MemoryMarshal.Cast<byte, T>(bytes);
        var vectors = MemoryMarshal.Cast<byte, Vector<T>>(bytes);
        var mask = new Vector<T>(exponent);
        var i = 0;
        for (; i <= vectors.Length - 4; i += 4)
        {
            var bad = Vector.Equals(vectors[i] & mask, mask) | Vector.Equals(vectors[i + 1] & mask, mask)
                | Vector.Equals(vectors[i + 2] & mask, mask) | Vector.Equals(vectors[i + 3] & mask, mask);
            if (!Vector.EqualsAll(bad, Vector<T>.Zero))
                break;
        }

        for (i *= Vector<T>.Count; i < values.Length; i++)
        {
            if ((values[i] & exponent) == exponent)
                return i;
        }

        return -1;
    }
}

/// <summary>Stops the mixing of a chunk that has a NaN or infinity; the whole input is then examined for the message.</summary>
internal sealed class NonFiniteChunkException : Exception
{
    public NonFiniteChunkException()
        : base("A chunk has a NaN or infinity.")
    {
    }
}
