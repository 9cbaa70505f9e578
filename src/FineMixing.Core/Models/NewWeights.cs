using System.Collections.Immutable;
using FineMixing.Checkpoints;

namespace FineMixing.Models;

/// <summary>Initial values of weights a checkpoint lacks, decided by (seed, tensor name, element).</summary>
internal static class NewWeights
{
    public static HostTensor Zeros(string name, ImmutableArray<long> shape)
    {
        var info = new TensorInfo(name, DType.F32, shape);
        return new HostTensor(info, new byte[info.ByteLength]);
    }

    /// <summary>Normal values with mean 0.</summary>
    public static HostTensor Normal(string name, ImmutableArray<long> shape, double deviation, ulong seed)
    {
        var key = System.Security.Cryptography.SHA256.HashData(System.Text.Encoding.UTF8.GetBytes($"{seed}:{name}"));
        var state = BitConverter.ToUInt64(key);
        var values = new float[new TensorInfo(name, DType.F32, shape).ElementCount];
        for (var i = 0; i < values.Length; i++)
        {
            // Box & Muller 1958.
            var radius = Math.Sqrt(-2 * Math.Log(1 - Uniform(ref state)));
            values[i] = (float)(deviation * radius * Math.Cos(2 * Math.PI * Uniform(ref state)));
        }

        return HostTensor.FromFloat32(name, shape, values);
    }

    private static double Uniform(ref ulong state)
    {
        var z = state += 0x9E3779B97F4A7C15UL;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9UL;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBUL;
        return ((z ^ (z >> 31)) >> 11) * (1.0 / (1UL << 53));
    }
}
