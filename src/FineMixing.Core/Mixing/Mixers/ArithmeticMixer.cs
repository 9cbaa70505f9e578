namespace FineMixing.Mixing.Mixers;

/// <summary>Base of the mixers that calculate with the weights, in single precision with sums over a tensor in double precision.</summary>
public abstract class ArithmeticMixer : IWeightMixer
{
    private protected ArithmeticMixer(string name, string title, string citation, MixerParameters? parameters = null)
    {
        Parameters = parameters ?? new MixerParameters();
        Name = name;
        Title = title;
        Citation = citation;
    }

    /// <inheritdoc/>
    public string Name { get; }

    /// <inheritdoc/>
    public string Title { get; }

    /// <inheritdoc/>
    public string Citation { get; }

    /// <inheritdoc/>
    public MixerParameters Parameters { get; }

    /// <inheritdoc/>
    public abstract MixerInputs Inputs { get; }

    /// <inheritdoc/>
    public abstract bool NeedsWholeTensors { get; }

    /// <inheritdoc/>
    public virtual bool IsRatioExact => false;

    /// <inheritdoc/>
    public virtual bool UsesReserveRatio => true;

    /// <inheritdoc/>
    public ITensorMixer Prepare(TensorMixContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        return new ArithmeticTensorMixer(context.Tensor.DType, For(context), context.Scratch);
    }

    /// <summary>Checks the parameters for a tensor and returns its calculation.</summary>
    private protected abstract ArithmeticTensorMixer.Combine For(TensorMixContext context);
}
