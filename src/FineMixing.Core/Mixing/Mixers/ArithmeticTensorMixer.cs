using System.Buffers;
using System.Numerics.Tensors;
using FineMixing.Checkpoints;

namespace FineMixing.Mixing.Mixers;

/// <summary>The values of every model in single precision, for a mixer that calculates with them.</summary>
/// <param name="Suspect">Of the suspect.</param>
/// <param name="Base">Of the base; empty when the mixer does not use it.</param>
/// <param name="Others">Of the others.</param>
internal readonly record struct ArithmeticInputs(ReadOnlyMemory<float> Suspect, ReadOnlyMemory<float> Base, IReadOnlyList<ReadOnlyMemory<float>> Others)
{
    /// <summary>The suspect, then the others: all models but the base.</summary>
    public ReadOnlySpan<float> Model(int index) => index == 0 ? Suspect.Span : Others[index - 1].Span;

    /// <summary>The number of models but the base.</summary>
    public int ModelCount => Others.Count + 1;

    /// <summary>The change a model made to the base (its task vector), in new memory.</summary>
    public float[] Change(int model)
    {
        var change = GC.AllocateUninitializedArray<float>(Base.Length);
        TensorPrimitives.Subtract(Model(model), Base.Span, change);
        return change;
    }
}

/// <summary>Mixes by calculating in single precision: widens every input from its own type, and rounds the result once to the suspect's.</summary>
internal sealed class ArithmeticTensorMixer(DType dtype, ArithmeticTensorMixer.Combine combine) : ITensorMixer
{
    /// <summary>Calculates a run of elements.</summary>
    /// <param name="start">The index of the first element.</param>
    /// <param name="inputs">The models' values.</param>
    /// <param name="result">Where the result goes; overlaps no input.</param>
    public delegate void Combine(long start, ArithmeticInputs inputs, Span<float> result);

    public void Mix(long start, MixInputs inputs, Span<byte> destination)
    {
        var count = destination.Length / (dtype.BitSize() / 8);
        var rented = new List<float[]>();
        try
        {
            var result = Rent();
            combine(start, new ArithmeticInputs(Widen(inputs.Suspect), Widen(inputs.Base), [.. inputs.Others.Select(Widen)]), result.AsSpan(0, count));
            FloatConversion.FromFloat32(dtype, result.AsSpan(0, count), destination);
        }
        finally
        {
            foreach (var array in rented)
                ArrayPool<float>.Shared.Return(array);
        }

        float[] Rent()
        {
            rented.Add(ArrayPool<float>.Shared.Rent(count));
            return rented[^1];
        }

        ReadOnlyMemory<float> Widen(MixSource source)
        {
            if (source.Bytes.IsEmpty)
                return default;
            var values = Rent();
            FloatConversion.ToFloat32(source.DType, source.Bytes.Span, values.AsSpan(0, count));
            return values.AsMemory(0, count);
        }
    }
}
