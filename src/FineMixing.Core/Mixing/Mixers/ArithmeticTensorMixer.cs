using System.Buffers;
using System.Numerics.Tensors;
using FineMixing.Checkpoints;

namespace FineMixing.Mixing.Mixers;

/// <summary>The values of every model in single precision, for a mixer that calculates with them.</summary>
/// <param name="Suspect">Of the suspect.</param>
/// <param name="Base">Of the base; empty when the mixer does not use it.</param>
/// <param name="Others">Of the others.</param>
/// <param name="Array">Gives an array of exactly this length for as long as the calculation lasts.</param>
internal readonly record struct ArithmeticInputs(SingleValues Suspect, SingleValues Base, IReadOnlyList<SingleValues> Others, Func<int, float[]> Array)
{
    /// <summary>The suspect, then the others: all models but the base.</summary>
    public ReadOnlySpan<float> Model(int index) => index == 0 ? Suspect.Span : Others[index - 1].Span;

    /// <summary>The number of models but the base.</summary>
    public int ModelCount => Others.Count + 1;

    /// <summary>The change a model made to the base (its task vector), free to be written to.</summary>
    public float[] Change(int model)
    {
        var change = Array(Base.Length);
        TensorPrimitives.Subtract(Model(model), Base.Span, change);
        return change;
    }
}

/// <summary>Mixes by calculating in single precision: widens inputs of other types, and rounds the result once to the suspect's.</summary>
internal sealed class ArithmeticTensorMixer(DType dtype, ArithmeticTensorMixer.Combine combine, ScratchArrays scratch) : ITensorMixer
{
    // Pieces of a tensor come in any size: the pool has something for each. Whole tensors come in few, and it would give up to twice as much.
    private const int MostPooled = 1 << 20;

    /// <summary>Calculates a run of elements.</summary>
    /// <param name="start">The index of the first element.</param>
    /// <param name="inputs">The models' values.</param>
    /// <param name="result">Where the result goes; overlaps no input.</param>
    public delegate void Combine(long start, ArithmeticInputs inputs, Span<float> result);

    public void Mix(long start, MixInputs inputs, Span<byte> destination)
    {
        var (rented, taken) = (new List<float[]>(), new List<float[]>());
        try
        {
            var result = Memory(destination.Length / (dtype.BitSize() / 8)).Span;
            combine(start, new ArithmeticInputs(Values(inputs.Suspect), Values(inputs.Base), [.. inputs.Others.Select(Values)], Exactly), result);
            FloatConversion.FromFloat32(dtype, result, destination);
        }
        finally
        {
            rented.ForEach(array => ArrayPool<float>.Shared.Return(array));
            taken.ForEach(scratch.Return);
        }

        SingleValues Values(MixSource source) => new(source, Memory);

        Memory<float> Memory(int count)
        {
            if (count > MostPooled)
                return Exactly(count);
            rented.Add(ArrayPool<float>.Shared.Rent(count));
            return rented[^1].AsMemory(0, count);
        }

        float[] Exactly(int count)
        {
            if (count <= MostPooled)
                return new float[count];
            taken.Add(scratch.Take(count));
            return taken[^1];
        }
    }
}
