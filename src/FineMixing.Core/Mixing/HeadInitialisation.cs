using FineMixing.Checkpoints;

namespace FineMixing.Mixing;

/// <summary>Draws a new classification head from the seed: weights from N(0, 0.02), biases 0; element by element, so that chunks do not matter.</summary>
internal static class HeadInitialisation
{
    private const double Deviation = 0.02;

    public static void Fill(TensorInfo tensor, ulong seed, long start, Span<byte> destination)
    {
        var count = destination.Length / (tensor.DType.BitSize() / 8);
        var values = new float[count];
        if (TensorNames.RoleOf(tensor.Name) != TensorRole.Bias && !tensor.Name.EndsWith("bias", StringComparison.Ordinal))
        {
            var key = RandomMask.TensorKey(seed, "initialisation of " + tensor.Name);
            for (var i = 0; i < count; i++)
                values[i] = (float)(Deviation * Normal(key, (ulong)(start + i)));
        }

        FloatConversion.FromFloat32(tensor.DType, values, destination);
    }

    // Box and Muller (1958) with two uniform numbers per element.
    private static double Normal(ulong key, ulong index)
    {
        var u = ((MaskKernels.Word(key, 2 * index) >> 11) + 1) * (1.0 / (1UL << 53));
        var v = (MaskKernels.Word(key, (2 * index) + 1) >> 11) * (1.0 / (1UL << 53));
        return Math.Sqrt(-2 * Math.Log(u)) * Math.Cos(2 * Math.PI * v);
    }
}
