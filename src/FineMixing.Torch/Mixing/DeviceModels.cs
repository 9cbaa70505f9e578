using FineMixing.Checkpoints;
using FineMixing.Mixing;
using static TorchSharp.torch;

namespace FineMixing.Torch.Mixing;

/// <summary>The models that are mixed.</summary>
internal sealed record DeviceModels(DeviceCheckpoint Suspect, DeviceCheckpoint Base, DeviceCheckpoint[] Others)
{
    public void ThrowIfOnSeveralDevices()
    {
        var devices = Suspect.Devices.Concat(Base.Devices).Concat(Others.SelectMany(o => o.Devices)).Distinct(StringComparer.Ordinal).ToList();
        if (devices.Count > 1)
            throw new ArgumentException($"The weights are on several devices: {string.Join(", ", devices)}; they must be on one.");
    }

    /// <summary>Whether the values of a tensor that the plan reads are all finite.</summary>
    public bool AreFinite(MixPlan plan, TensorPlan tensor)
    {
        return (tensor.Action is not (TensorAction.Mixed or TensorAction.Suspect) || IsFinite(Suspect, tensor.Suspect))
            && (!plan.ReadsBase(tensor) || IsFinite(Base, tensor.Base!))
            && tensor.Others.Select((o, i) => IsFinite(Others[i], o)).All(finite => finite);

        static bool IsFinite(DeviceCheckpoint model, TensorInfo info) => !info.DType.IsMixable() || model[info].isfinite().all().item<bool>();
    }

    public DeviceInputs Inputs(MixPlan plan, TensorPlan tensor) => new(
        Suspect[tensor.Suspect].detach().reshape(-1),
        plan.ReadsBase(tensor) ? Base[tensor.Base!].detach().reshape(-1) : null,
        [.. tensor.Others.Select((o, i) => Others[i][o].detach().reshape(-1))]);
}

/// <summary>One tensor of every model, flat, each of its own type.</summary>
/// <param name="Suspect">Of the suspect.</param>
/// <param name="Base">Of the base; null when the mixer does not use it.</param>
/// <param name="Others">Of the others.</param>
internal sealed record DeviceInputs(Tensor Suspect, Tensor? Base, Tensor[] Others)
{
    public int ModelCount => Others.Length + 1;

    /// <summary>The suspect, then the others, in single precision.</summary>
    public Tensor Model(int index) => (index == 0 ? Suspect : Others[index - 1]).to(float32);

    /// <summary>The base in single precision.</summary>
    public Tensor BaseValues => Base!.to(float32);

    /// <summary>The change a model made to the base.</summary>
    public Tensor Change(int model) => Model(model) - BaseValues;

    public Tensor[] Changes() => [.. Enumerable.Range(0, ModelCount).Select(Change)];

    /// <summary>Values in another type by way of single precision, as the core converts; those of the right type are returned as they are.</summary>
    public static Tensor As(Tensor values, ScalarType type) => values.dtype == type ? values : values.to(float32).to(type);
}
