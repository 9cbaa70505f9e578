using System.Numerics.Tensors;

namespace FineMixing.Mixing.Mixers;

/// <summary>Task arithmetic: adds the weighted changes of the models to the base.</summary>
/// <remarks>w_Pre + lambda * sum_i a_i (w_i - w_Pre), divided by sum_i a_i when normalised (default not). Weights default to the reserve ratio, lambda (<see cref="MixerParameters.Scale"/>) to 1.</remarks>
public sealed class TaskArithmeticMixer : ArithmeticMixer
{
    /// <summary>Takes <see cref="MixerParameters.Weights"/>, <see cref="MixerParameters.Normalize"/> and <see cref="MixerParameters.Scale"/>.</summary>
    public TaskArithmeticMixer(MixerParameters? parameters = null)
        : base("task-arithmetic", "Task arithmetic", Citations.TaskArithmetic, parameters)
    {
    }

    /// <inheritdoc/>
    public override MixerInputs Inputs { get; } = new(UsesBase: true, 0, 100);

    /// <inheritdoc/>
    public override bool NeedsWholeTensors => false;

    private protected override ArithmeticTensorMixer.Combine For(TensorMixContext context)
    {
        var (weights, scale) = Factors(context);
        return (_, inputs, result) =>
        {
            result.Clear();
            for (var m = 0; m < inputs.ModelCount; m++)
                TaskVectors.AddChange(inputs.Model(m), inputs.Base.Span, (float)weights[m], result);
            TensorPrimitives.MultiplyAdd(result, (float)scale, inputs.Base.Span, result);
        };
    }

    /// <summary>The weight of each change and the factor on their sum.</summary>
    internal (double[] Weights, double Scale) Factors(TensorMixContext context)
    {
        var weights = MixerArguments.Weights(this, Parameters.Weights, context.OtherCount + 1, context.Ratio);
        var divisor = Parameters.Normalize == true && Math.Abs(weights.Sum()) >= 1e-8 ? weights.Sum() : 1;
        return (weights, (Parameters.Scale ?? 1) / divisor);
    }
}
