using System.Runtime.InteropServices;
using TorchSharp;
using static TorchSharp.torch;

namespace FineMixing.Torch.FineTuning;

/// <summary>Seeded dropout: inverted scaling, masks decided by (seed, step, place, element), so the same for any number of threads.</summary>
/// <remarks>libtorch's CPU dropout draws from one serial generator and costs a third of a training step; hashing a counter costs next to nothing. On other devices the library's own is used.</remarks>
internal sealed class DropoutSource(ulong seed, double? replacement)
{
    private ulong _state;

    /// <summary>Starts the masks of one pass.</summary>
    public void Begin(int step, int part) => _state = Mix(seed + (0x9E3779B97F4A7C15UL * (ulong)(uint)step) + ((ulong)(uint)part << 40));

    /// <summary>The probability in force where the model asks for this one.</summary>
    public double Probability(double configured) => replacement ?? configured;

    /// <summary>Zeroes each element with the given probability and scales the others up.</summary>
    public Tensor Apply(Tensor x, double probability)
    {
        probability = Probability(probability);
        if (probability == 0)
            return x;
        if (x.device.type != DeviceType.CPU)
            return nn.functional.dropout(x, probability, training: true);
        _state = Mix(_state + 0x9E3779B97F4A7C15UL);
        var mask = empty(x.shape, dtype: x.dtype);
        var bytes = mask.bytes;
        if (x.dtype == ScalarType.BFloat16)
            DropoutMask.Fill(MemoryMarshal.Cast<byte, ushort>(bytes), _state, probability);
        else
            DropoutMask.Fill(MemoryMarshal.Cast<byte, float>(bytes), _state, probability);
        return x * mask;
    }

    private static ulong Mix(ulong z)
    {
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9UL;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBUL;
        return z ^ (z >> 31);
    }
}
