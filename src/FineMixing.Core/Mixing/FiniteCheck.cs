using System.Globalization;
using System.Numerics;
using System.Runtime.InteropServices;
using FineMixing.Checkpoints;

namespace FineMixing.Mixing;

/// <summary>Finds NaN and infinite weights.</summary>
internal static class FiniteCheck
{

    /// <summary>Refuses inputs with NaN or infinite weights in the tensors that are used.</summary>
    /// <exception cref="ArgumentException">Lists every such tensor.</exception>
    public static void ThrowIfNotFinite(MixPlan plan, StateDict suspect, StateDict @base, IReadOnlyList<StateDict> others, CancellationToken ct)
    {
        var found = new List<string>();
        WorkerThreads.Run(Inputs(), plan.Options.ThreadCount, item =>
        {
            var index = FirstNotFinite(item.Tensor.Info.DType, item.Tensor.Bytes);
            if (index >= 0)
            {
                lock (found)
                    found.Add(Describe(item.Model, item.Tensor.Info, index));
            }
        }, ct);
        if (found.Count > 0)
            throw new ArgumentException($"Weights that are not finite numbers cannot be mixed: {string.Join("; ", found.Order(StringComparer.Ordinal))}.");

        IEnumerable<(string Model, HostTensor Tensor)> Inputs()
        {
            foreach (var tensor in plan.Tensors)
            {
                if (tensor.Action is TensorAction.Mixed or TensorAction.Suspect)
                    yield return ($"the suspect {suspect.Location}", suspect[tensor.Suspect.Name]);
                if (tensor.Base is { } info && (tensor.Action == TensorAction.Base || (tensor.Action == TensorAction.Mixed && plan.Mixer.Inputs.UsesBase)))
                    yield return ($"the base {@base.Location}", @base[info.Name]);
                for (var i = 0; i < tensor.Others.Count; i++)
                    yield return ($"the model {others[i].Location}", others[i][tensor.Others[i].Name]);
            }
        }
    }

    public static string Describe(string model, TensorInfo tensor, long index) =>
        string.Create(CultureInfo.InvariantCulture, $"tensor '{tensor.Name}' of {model} has a NaN or infinity at element {index}");

    /// <summary>The index of the first NaN or infinity, or -1; always -1 for types that are not mixed.</summary>
    public static long FirstNotFinite(DType dtype, ReadOnlySpan<byte> bytes) => dtype switch
    {
        // All exponent bits set means infinity or NaN.
        DType.F32 => First<uint>(bytes, 0x7F800000),
        DType.BF16 => First<ushort>(bytes, 0x7F80),
        DType.F16 => First<ushort>(bytes, 0x7C00),
        DType.F64 => First<ulong>(bytes, 0x7FF0000000000000),
        _ => -1,
    };

    private static long First<T>(ReadOnlySpan<byte> bytes, T exponent)
        where T : unmanaged, IBinaryInteger<T>
    {
        var values = MemoryMarshal.Cast<byte, T>(bytes);
        var mask = new Vector<T>(exponent);
        var i = 0;
        for (; i <= values.Length - Vector<T>.Count; i += Vector<T>.Count)
        {
            if (Vector.EqualsAny(new Vector<T>(values[i..]) & mask, mask))
                break;
        }

        for (; i < values.Length; i++)
        {
            if ((values[i] & exponent) == exponent)
                return i;
        }

        return -1;
    }
}
