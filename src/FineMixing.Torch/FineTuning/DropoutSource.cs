using System.Runtime.InteropServices;
using TorchSharp;
using static TorchSharp.torch;

namespace FineMixing.Torch.FineTuning;

/// <summary>Seeded dropout: inverted scaling, masks decided by (seed, step, place, element), so the same for any number of threads.</summary>
/// <remarks>
/// libtorch's CPU dropout draws from one serial generator and costs a third of a training step; hashing a counter costs next to nothing.
/// A GPU draws with its default generator, which is seeded before each mask (TorchSharp makes no other generator for a GPU), so the process's own CUDA random numbers start anew.
/// </remarks>
internal sealed class DropoutSource(ulong seed, double? replacement)
{
    private static readonly Lock DeviceGenerator = new();

    /// <summary>Decides all masks to come until the next <see cref="Begin"/>; putting an earlier value back repeats its masks.</summary>
    public ulong State { get; set; }

    /// <summary>Starts the masks of one pass.</summary>
    public void Begin(int step, int part) => State = Mix(seed + (0x9E3779B97F4A7C15UL * (ulong)(uint)step) + ((ulong)(uint)part << 40));

    /// <summary>The probability in force where the model asks for this one.</summary>
    public double Probability(double configured) => replacement ?? configured;

    /// <summary>Zeroes each element with the given probability and scales the others up.</summary>
    public Tensor Apply(Tensor x, double probability)
    {
        probability = Probability(probability);
        if (probability == 0)
            return x;
        State = Mix(State + 0x9E3779B97F4A7C15UL);
        return x.device_type == DeviceType.CPU ? x * Hashed(x, probability) : Drawn(x, probability);
    }

    // The launch takes its numbers from the generator at once; another training on the same GPU must not seed it in between.
    private Tensor Drawn(Tensor x, double probability)
    {
        lock (DeviceGenerator)
        {
            cuda.manual_seed_all((long)(State >> 1));
            return nn.functional.dropout(x, probability, training: true);
        }
    }

    private Tensor Hashed(Tensor x, double probability)
    {
        var mask = empty(x.shape, dtype: x.dtype);
        var bytes = mask.bytes;
        if (x.dtype == ScalarType.BFloat16)
            DropoutMask.Fill(MemoryMarshal.Cast<byte, ushort>(bytes), State, probability);
        else
            DropoutMask.Fill(MemoryMarshal.Cast<byte, float>(bytes), State, probability);
        return mask;
    }

    private static ulong Mix(ulong z)
    {
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9UL;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBUL;
        return z ^ (z >> 31);
    }
}
